from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from pyarrow import fs

from services.core.timeline.instants import HOUR
from tests.command import Ended, tonne
from tests.integration.aggregator.plant import Plant, instant, some_readings
from tests.integration.packed import pack_some
from tests.services import Postgres, SeaweedFS, as_login, server_directory

#: When readings were sent: around the ends of months, and single days between.
_SENT = (
    ("2026-02-26T21:00:00Z", 6),
    ("2026-02-27T21:00:00Z", 5),
    ("2026-02-28T22:00:00Z", 5),
    ("2026-03-10T01:00:00Z", 3),
    ("2026-03-11T01:00:00Z", 3),
    ("2026-03-20T09:00:00Z", 3),
    ("2026-03-30T21:00:00Z", 6),
    ("2026-03-31T20:00:00Z", 8),
    ("2026-04-02T06:00:00Z", 3),
)


class Run(Protocol):
    """``tonne`` as the administrator."""

    def __call__(self, *words: object) -> Ended: ...


@pytest.fixture(scope="package")
def filled_database(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    """Name of a database whose readings of three months are computed, final and packed."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url)
        rng = random.Random(5)
        for begins, hours in _SENT:
            plant.store(some_readings(rng, instant(begins), hours))
        # what no text shows: a negative zero, and what was known later than it arrived
        plant.connection.execute(
            "UPDATE reading SET received_at = received_at - interval '1 hour',"
            " value = CASE WHEN extract(epoch FROM ts)::int8 % 97 = 0 THEN '-0' ELSE value END,"
            " known_at = CASE WHEN extract(epoch FROM ts)::int8 % 3 = 0"
            " THEN received_at - interval '50 minutes' END"
        )
        plant.tick(instant("2026-04-03T00:00:00Z") + HOUR)
        plant.connection.execute("UPDATE emission_hour SET final = true")
        assert pack_some(plant.connection, rng) > 30
        plant.close()
        yield url.rpartition("/")[2]


@pytest.fixture
def database_url(postgres_cluster: Postgres, filled_database: str) -> Iterator[str]:
    """URL of a copy of it."""
    with postgres_cluster.fresh_database(template=filled_database) as url:
        yield url


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


@pytest.fixture
def run(database_url: str) -> Run:
    url = as_login(database_url, "tonne_admin")
    return lambda *words: tonne(url, *words)


@pytest.fixture(scope="package")
def seaweedfs() -> Iterator[SeaweedFS]:
    """A running S3 server, with the bucket ``archive``."""
    with server_directory() as directory:
        server = SeaweedFS(directory)
        server.start()
        files = fs.S3FileSystem(
            access_key=server.key,
            secret_key=server.secret,
            endpoint_override=server.url,
            allow_bucket_creation=True,
            # its parts find each other a moment after it listens
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=20),
        )
        files.create_dir("archive")
        yield server
        # in order it takes half a minute
        server.kill()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What ``TONNE_ARCHIVE`` is set to."""
    where = str(tmp_path / "archive")
    if request.param == "s3":
        server = request.getfixturevalue("seaweedfs")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
        monkeypatch.setenv("TONNE_ARCHIVE_S3_ENDPOINT", server.url)
        where = f"s3://archive/{tmp_path.name}"
    monkeypatch.setenv("TONNE_ARCHIVE", where)
    return where


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that ``TONNE_ARCHIVE`` is set to."""
    where = tmp_path / "archive"
    monkeypatch.setenv("TONNE_ARCHIVE", str(where))
    return where


def packed_rows(plant: Plant) -> Sequence[tuple[Any, ...]]:
    """All that is packed, to the byte."""
    return plant.rows(
        "SELECT channel_id, day, id, first_ts, last_ts, known_from, known_to, readings, usable,"
        " digest, md5(series), md5(arrival) FROM packed_readings ORDER BY 1, 2"
    )
