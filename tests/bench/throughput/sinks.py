"""What takes the messages from the broker: each a program that is started, and can be counted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg

from tests.bench.throughput.generator import VALUES, Generator
from tests.bench.throughput.plant import Plant
from tests.e2e.stack import Service

_LISTENS = """
SELECT count(*) FROM process_progress WHERE process = 'ingest'
AND state->>'broker' = 'connected' AND progressed_at > now() - interval '5 seconds'
"""
_TURNS = "SELECT count(*) FROM process_progress WHERE process = 'aggregator'"

_STARTS = 20


@dataclass(kw_only=True)
class Sink:
    """Something that stores messages. ``rows`` are those that a message becomes."""

    #: process ids by the name under which their CPU time is told
    pids: dict[str, int]
    #: a query for the number of rows that are stored
    count: str
    rows: int = 1
    #: messages that may stand in its buffers for good once no more come
    held_back: int = 0


def await_first(plant: Plant, sink: Sink) -> Sink:
    """Publish a little until some of it is stored: from then on the sink has a session."""
    with psycopg.connect(plant.database, autocommit=True) as connection:
        for _ in range(_STARTS):
            with Generator(plant.broker.url, 200, 1.0) as generator:
                generator.books()
            row = connection.execute(sink.count.encode()).fetchone()
            if row and row[0]:
                return sink
    raise RuntimeError(f"{', '.join(sink.pids)} stores nothing")


@contextmanager
def tonne(plant: Plant, *, aggregator: bool = False) -> Iterator[Sink]:
    """``tonne ingest`` with the default settings, with ``tonne aggregate`` beside it or not."""
    settings = {"TONNE_DATABASE_URL": plant.database, "TONNE_MQTT_URL": plant.broker.url}

    def said(question: str) -> bool:
        with psycopg.connect(plant.database) as connection:
            row = connection.execute(question.encode()).fetchone()
        return row is not None and row[0] > 0

    with ExitStack() as ending:
        pids = {}
        words = {"ingest": _LISTENS} | ({"aggregate": _TURNS} if aggregator else {})
        for word, question in words.items():
            service = Service(plant.directory / word, word, settings, lambda _, q=question: said(q))
            ending.callback(service.stop)
            service.start()
            pids[word] = service.pid
        yield Sink(pids=pids, count="SELECT count(*) FROM reading", rows=VALUES)


@contextmanager
def floor(plant: Plant) -> Iterator[Sink]:
    """mosquitto_sub into psql's COPY, all of it C: a row a message, no key, nothing checked."""
    with psycopg.connect(plant.database, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (topic text, payload text)")
    subscribe = [
        *("setpriv", "--pdeathsig", "KILL", "--", "mosquitto_sub", "-h", "127.0.0.1"),
        *("-p", str(plant.broker.port), "-q", "1", "-c", "-i", "floor"),
        *("-t", "emissions/#", "-F", "%t\t%p"),
    ]
    copy = [
        *("setpriv", "--pdeathsig", "KILL", "--", "psql", "-q", "-d", plant.database),
        *("-c", "COPY floor (topic, payload) FROM STDIN"),
    ]
    with (
        subprocess.Popen(subscribe, stdout=subprocess.PIPE) as source,
        subprocess.Popen(copy, stdin=source.stdout) as target,
    ):
        try:
            sink = Sink(
                pids={"mosquitto_sub": source.pid, "psql": target.pid},
                # the one transaction of this COPY never ends, so that nothing of it is visible
                count="SELECT coalesce(sum(tuples_processed), 0) FROM pg_stat_progress_copy",
                held_back=200,
            )
            yield await_first(plant, sink)
        finally:
            source.kill()
            target.kill()
