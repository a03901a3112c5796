"""The parts of bench/validate.py: what is measured (workloads, files, real), who is measured (peers, types_of, native),
how (worker, clock, count, arm, memory) and what is made of it (targets, results)."""
