"""Where the public conformance suites are: a directory named by the environment, or a copy in a PyPI source package.

None of them is part of this repository. The source packages of `jsonschema` and `pyjson5` on PyPI carry a copy each;
DOWNLOAD puts them into .cache/, where they are read without being unpacked.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[3]
DOWNLOAD = "pip download --no-deps --no-binary jsonschema,pyjson5 -d .cache jsonschema pyjson5"


def suite(variable: str, folder: str, archive: str, inside: str) -> dict[str, bytes]:
    """The suite's JSON files by their path in it; empty if it is nowhere.

    Looked for in this order: the directory named by the environment variable, ../shared/data/`folder`,
    .cache/`folder`, and below `inside` (a path in the package) in the newest .cache/`archive`.
    """
    named = os.environ.get(variable)
    for base in [Path(named)] if named else [ROOT.parent / "shared" / "data" / folder, ROOT / ".cache" / folder]:
        if base.is_dir():
            return {path.relative_to(base).as_posix(): path.read_bytes() for path in sorted(base.rglob("*.json"))}
    packages = sorted((ROOT / ".cache").glob(archive))
    return dict(_members(packages[-1], inside)) if packages and not named else {}


def _members(package: Path, inside: str) -> Iterator[tuple[str, bytes]]:
    """Files are read out of the archive, never unpacked."""
    prefix = PurePosixPath(package.name.removesuffix(".tar.gz")) / inside
    with tarfile.open(package) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            content = archive.extractfile(member) if member.isfile() and path.suffix == ".json" else None
            if content is not None and path.is_relative_to(prefix):
                yield path.relative_to(prefix).as_posix(), content.read()
