"""Files that people upload: taken part by part, read by a process of its own, stored as imported.

``desk`` answers what the API asks, ``spool`` keeps the files on disk, ``runs`` lets each be read by
a ``worker``. What a worker does is what ``tonne import`` and ``tonne activities import`` do
(:mod:`services.ingest.files`).
"""
