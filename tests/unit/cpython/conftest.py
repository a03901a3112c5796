"""Makes the kits of the end-to-end tests importable here: certificates.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "e2e"))
