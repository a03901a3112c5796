"""Headgate: an edge gateway that lets in only what is authentic, in rate and valid."""

__version__ = "0.1.0"
