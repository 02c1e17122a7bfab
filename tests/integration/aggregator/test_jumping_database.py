"""A PostgreSQL whose clock really jumps, and what the ledger says of when things were known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.aggregator.base_years import BaseYears
from services.aggregator.loop import Loop
from services.aggregator.packing import Packing
from services.aggregator.published_values import PublishedValues
from services.aggregator.retention import Retention
from services.aggregator.summing import Summing
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.progress import ProgressReporter
from services.core.store.schema.migrate import upgrade
from tests.integration.aggregator.plant import Plant, Reading
from tests.integration.aggregator.test_pieces import METER
from tests.services import Postgres, server_directory

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

_LIBRARIES = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Jumping(Postgres):
    """A server that goes by a clock of its own, so far from the machine's as a file says."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._offset = directory / "offset"
        self.jump_to("+0s")

    def jump_to(self, offset: str) -> None:
        new = self._offset.with_name("offset.new")
        new.write_text(f"{offset}\n")
        new.chmod(0o644)
        new.replace(self._offset)

    def command(self) -> list[str]:
        words = super().command()
        program = next(i for i, word in enumerate(words) if word.endswith("/postgres"))
        clock = [
            f"LD_PRELOAD={_LIBRARIES[0]}",
            f"FAKETIME_TIMESTAMP_FILE={self._offset}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]
        return [*words[:program], "env", *clock, *words[program:]]


@pytest.fixture
def jumping() -> Iterator[Jumping]:
    if not _LIBRARIES:
        pytest.skip("libfaketime is missing; run: deploy/local/bootstrap.sh test")
    with server_directory(for_postgres=True) as directory:
        server = Jumping(directory)
        server.start()
        server.execute("CREATE DATABASE tonne")
        upgrade(server.url_of("tonne"))
        yield server
        server.stop()


@pytest.mark.parametrize("offset", ["+2h", "-1h"])
def test_versions_that_come_while_it_jumps_are_dated_right(
    jumping: Jumping, offset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody else is there
    monkeypatch.setattr("services.aggregator.loop._LEAVE_S", 0.0)
    plant = Plant(jumping.url_of("tonne"), METER)
    steady = SteadyTime()
    loop = Loop(
        clock=steady,
        shutdown=Shutdown(),
        progress=ProgressReporter("aggregator"),
        retention=Retention(0),
        packing=Packing(0),
        summing=Summing(),
        base_years=BaseYears(),
        published=PublishedValues(jumping.url_of("tonne")),
    )
    began = datetime.now(UTC)

    def restate(value: float) -> None:
        plant.store([Reading("meter.energy", began - timedelta(hours=5, seconds=-value), value)])
        loop._paced_until_s.clear()
        while loop.run_once(plant.connection):
            loop._paced_until_s.clear()

    for value in (0, 1, 2):
        restate(value)
    plant.connection.execute("UPDATE emission_hour SET final = true")
    jumping.jump_to(offset)
    for value in (3, 4, 5):
        restate(value)
    assert steady.is_frozen
    ended = datetime.now(UTC)
    jumping.jump_to("+0s")
    versions = plant.rows(
        "SELECT known_at, superseded_at FROM emission_hour_history"
        " UNION ALL SELECT known_at, NULL FROM emission_hour"
    )
    assert len(versions) > 2
    slack = timedelta(seconds=1)
    for known_at, superseded_at in versions:
        assert began - slack <= known_at <= ended + slack
        assert superseded_at is None or known_at <= superseded_at <= ended + slack
    restate(6)
    assert not steady.is_frozen
    plant.close()
