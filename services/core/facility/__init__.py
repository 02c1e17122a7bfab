"""The language of the facility file: what it may say, and what must hold of it. No database."""
