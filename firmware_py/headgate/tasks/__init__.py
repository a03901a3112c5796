"""Portable: runs on CPython and MicroPython (docs/architecture.md, section 1)."""
