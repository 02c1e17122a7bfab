"""The registry: facility files into tables, and tables into records."""
