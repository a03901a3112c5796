"""MicroPython only."""
