"""CPython on Linux only."""
