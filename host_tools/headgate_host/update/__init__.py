"""`headgate update`: a new version for a running board, into the slot that does not run. docs/update.md"""
