"""Backups: the database with its log, the broker's streams, files; and the way back.

A backup is a directory of its own within a folder, named by its time (:mod:`.folder`). The programs
of PostgreSQL copy the database (:mod:`.base_backup`) and follow its log (:mod:`.wal`); NATS itself
makes snapshots of its streams (:mod:`.streams`).
"""
