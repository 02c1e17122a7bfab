"""What a report of emissions over a month, quarter or year says, and how it is written."""
