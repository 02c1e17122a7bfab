"""The monthly evidence of a generator in China's carbon market, as files."""
