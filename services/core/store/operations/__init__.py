"""Keys and the readiness of the whole."""
