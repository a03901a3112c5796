"""The parts of bench/gateway.py: what is asked (messages, verdicts), who is asked (servers, build), how it is measured
(process, load, rows, memory, lateness) and what is made of it (targets, results)."""
