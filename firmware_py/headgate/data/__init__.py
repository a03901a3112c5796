"""Files that come with the package; see the modules that read them."""
