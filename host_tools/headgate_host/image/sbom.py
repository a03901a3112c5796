"""What is in an image, as SPDX 2.3 in JSON: packages of Debian that files were taken from, Python's distributions."""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from headgate import __version__

DPKG = "var/lib/dpkg"


@dataclass(frozen=True, order=True, slots=True)
class Component:
    name: str
    version: str
    purl: str  # github.com/package-url/purl-spec
    supplier: str  # SPDX 2.3, section 7.5
    licence: str = "NOASSERTION"  # SPDX expression as its maker declares it


def owners(root: Path, paths: Iterable[str]) -> list[str]:
    """The packages unpacked in `root` (headgate_host.rootfs) that one of `paths` belongs to."""
    wanted = set(paths)
    return [
        record.stem
        for record in sorted((root / DPKG / "info").glob("*.list"))
        if not wanted.isdisjoint(line.strip("/") for line in record.read_text(encoding="utf-8").splitlines())
    ]


def debian(root: Path, names: Iterable[str]) -> list[Component]:
    """Of the packages unpacked in `root` those that are named."""
    status = (root / DPKG / "status").read_text(encoding="utf-8")
    wanted = set(names)
    found = []
    for paragraph in status.strip().split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        name, version = fields["Package"], fields["Version"]
        if name in wanted:
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
            source = fields.get("Source", "").split(" ")[0]
            purl += f"&upstream={quote(source)}" if source and source != name else ""
            found.append(Component(name, version, purl, f"Organization: {fields['Maintainer']}"))
    return found


def python(folder: Path) -> list[Component]:
    """The distributions installed in `folder`."""
    found = []
    for metadata in sorted(folder.glob("*.dist-info/METADATA")):
        fields = HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))
        name, version = fields["Name"], fields["Version"]
        purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
        maker = fields.get("Author") or fields.get("Author-email") or ""
        supplier = f"Person: {maker}" if maker else "NOASSERTION"
        found.append(Component(name, version, purl, supplier, fields.get("License-Expression") or "NOASSERTION"))
    return found


def document(name: str, image_sha256: str, components: Iterable[Component], created: int) -> dict[str, Any]:
    """SPDX for the image `name`, whose file has this hash. The same components give the same document."""
    rows = sorted(set(components))
    digest = hashlib.sha256(repr((name, image_sha256, rows)).encode()).hexdigest()
    packages = [_package(f"SPDXRef-{number}", row) for number, row in enumerate(rows)]
    image = {
        "SPDXID": "SPDXRef-image",
        "name": name,
        "versionInfo": __version__,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "checksums": [{"algorithm": "SHA256", "checksumValue": image_sha256}],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image")]
    relations += [("SPDXRef-image", "CONTAINS", package["SPDXID"]) for package in packages]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{quote(name)}-{digest}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)),
            "creators": [f"Tool: headgate-{__version__}"],
        },
        "packages": [image, *packages],
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relations
        ],
    }


def encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def _package(reference: str, row: Component) -> dict[str, Any]:
    return {
        "SPDXID": reference,
        "name": row.name,
        "versionInfo": row.version,
        "supplier": row.supplier,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": row.licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": row.purl}
        ],
    }
