"""The page that bench/all.py writes of what gateway.py and validate.py have measured."""
