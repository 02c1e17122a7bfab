"""``tonne alive``: what container engines ask a process of tonne."""

from __future__ import annotations

import psycopg

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.say import say
from services.core.store.database.connect import connect
from services.core.store.database.progress import runs_here


def alive() -> None:
    """Say whether ingest, the aggregator or the notifier in this container makes progress.

    Exit code 1 if it has made none for 10 s, and should be started again. While the database does
    not answer that is not known, and the exit code is 0: to start again would not help.
    """
    with clear_errors():
        url = process.settings("admin").database
        try:
            with connect(url, process="admin") as connection:
                makes_progress = runs_here(connection)
        except psycopg.OperationalError:
            say("the database does not answer; whether there is progress is not known")
            return
        if not makes_progress:
            raise failure("no process here has made progress in the last 10 s")
    say("it makes progress")
