"""Device families: an example facility file for each, with messages as its makers document them."""
