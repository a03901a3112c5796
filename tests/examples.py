"""How many examples a generated test tries."""

import os

EMULATED = os.environ.get("HEADGATE_EMULATED", "")  # "", "quick" or "full": set by tests/qemu/run_target.py
QUICK = 10  # each takes ten times as long on an emulated machine, and the machine that builds has tried more


def examples(many: int) -> int:
    return min(many, QUICK) if EMULATED == "quick" else many
