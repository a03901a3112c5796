"""Board descriptions as data."""
