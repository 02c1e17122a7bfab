"""History from files: rows of readings, column by column, into packed days.

- :mod:`.rows`: rows of a file as columns, whatever its format.
- :mod:`.csv_rows`, :mod:`.parquet_rows`: the formats, a bounded piece at a time.
- :mod:`.history_rows`: which rows are history, and plain; the others go the way of messages.
- :mod:`.row_messages`: a row as the message that a device would have sent.
- :mod:`.history`: rows of history until their days are complete.
- :mod:`.importer`: the whole way.

Nothing here says what a good reading is. What is not beyond doubt by the bounds that ingest itself
looks at first (:class:`..resolve.Target`) becomes a message, and is refused or taken as one.
"""
