"""A package, because its files have the names of the unit tests whose rules they check on both twins."""
