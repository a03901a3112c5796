"""Debian's mirrors as the apt sources of a machine name them."""

from pathlib import Path

import pytest

from headgate_host import debian_mirror

ONE_LINE = """
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian/ bookworm main contrib  # a comment
deb-src http://source.example/debian bookworm main
deb http://one.example/debian-security bookworm-security main
"""
DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://two.example/debian
  http://three.example/debian/
Suites: trixie trixie-updates
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie

Types: deb
URIs: mirror+file:%s
Suites: trixie
"""


def test_mirrors_come_from_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADGATE_DEBIAN_MIRROR", raising=False)
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "mirrors.txt").write_text("http://four.example/debian\n")
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (parts / "debian.sources").write_text(DEB822 % (tmp_path / "mirrors.txt"))
    (parts / "other.list").write_text("deb https://packages.example/apt stable main\n")
    (parts / "ignored.bak").write_text("deb http://bak.example/debian x main\n")
    assert debian_mirror.debian_mirrors(tmp_path) == [
        "http://one.example/debian",
        "http://two.example/debian",
        "http://three.example/debian",
        "http://four.example/debian",
    ]
    assert debian_mirror.debian_mirrors(tmp_path, "debian-security") == ["http://one.example/debian-security"]
    monkeypatch.setenv("HEADGATE_DEBIAN_MIRROR", "http://mine.example/debian/")
    assert debian_mirror.debian_mirrors(tmp_path) == ["http://mine.example/debian"]
    assert debian_mirror.debian_mirrors(tmp_path, "debian-security") == []
