"""Packed readings as Parquet files, one for each facility and month, in a folder or in S3.

- :mod:`.layout`: the columns of a file, and readings out of them again.
- :mod:`.places`: where files are; what is not whole never has a file's name.
- :mod:`.month_file`: a month's file written, checked and read.
- :mod:`.months`: which months there are, and what of them is archived.
- :mod:`.earlier`: a month's file so far. :mod:`.write`: months into the archive.
  :mod:`.restore`: out of it again.
- :mod:`.spans`: which days may leave the database. :mod:`.removal`: lets them.
- :mod:`.missing`: what writers and computation ask: where readings are missing.

Those that know files need pyarrow, an extra of the package; services need none of them.
"""
