"""History from files: rows of readings, column by column, into packed days.

- :mod:`.rows`: rows of a file as columns, whatever its format.
- :mod:`.formats`: which file is read how.
- :mod:`.csv_rows`, :mod:`.parquet_rows`: tonne's own columns, a bounded piece at a time.
- :mod:`.csv_lines`, :mod:`.workbook_lines`, :mod:`.green_button`, :mod:`.mscons` (by
  :mod:`.edifact`), :mod:`.influx_lines`, :mod:`.foreign_lines`: lines of cells, whatever they mean;
  :mod:`.table_rows` knows it, with :mod:`.table_times` (:mod:`.date_forms`, :mod:`.local_times`)
  and :mod:`.number_columns`, column by column.
- :mod:`.history_rows`: which rows are history, and plain; the others go the way of messages.
- :mod:`.row_messages`: a row as the message that a device would have sent.
- :mod:`.history`: rows of history until their days are complete.
- :mod:`.importer`: the whole way.

Nothing here says what a good reading is. What is not beyond doubt by the bounds that ingest itself
looks at first (:class:`..resolve.Target`) becomes a message, and is refused or taken as one.
"""
