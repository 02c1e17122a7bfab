"""Other people's databases, read only: rows of what they ask, or of what Home Assistant keeps."""
