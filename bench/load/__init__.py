"""Parts of load.py: the generators, and what they say of a load."""
