"""What is known of slots and updates, for those who may not look at the disk: the appliance, `headgate doctor`.

The confirming service and the update helper, which are root, write PUBLISHED; the appliance serves it under /v1/update.
What ended in a rollback is kept on `data`, where both slots find it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.linux import atomic_file

if TYPE_CHECKING:
    from headgate.linux.update_install import Running

PUBLISHED = Path("/run/headgate-update/status.json")
MEMORY = Path("/data/update/rollback.json")
_REASON_MAX = 300  # characters


def publish(  # noqa: PLR0913 - the document's members
    here: "Running",
    *,
    confirmed: bool,
    problem: str = "",
    ready_ms: int | None = None,
    path: Path = PUBLISHED,
    memory: Path = MEMORY,
) -> None:
    """`problem`: why it is not confirmed yet, or ""; `ready_ms`: from the kernel's start to the appliance being ready,
    None: it is not, or nobody knows. Raises OSError."""
    document = {
        "slot": here.slot,
        "board": here.board,
        "version": here.version,
        "created": here.created,
        "confirmed": confirmed,
        "problem": problem,
        "ready_ms": ready_ms,
        "last_rollback": load(memory),
    }
    atomic_file.write(path, json.dumps(document).encode(), mode=0o644)


def load(path: Path = PUBLISHED) -> Any:
    """The document, or None when there is none: this system has no slots."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def remember_rollback(slot: str, reason: str, memory: Path = MEMORY) -> None:
    """On disk when it returns. Raises OSError."""
    atomic_file.write(memory, json.dumps({"slot": slot, "reason": reason[:_REASON_MAX]}).encode(), mode=0o600)


def forget_rollback(memory: Path = MEMORY) -> None:
    memory.unlink(missing_ok=True)
