"""A PostgreSQL whose clock really jumps, and what the ledger says of when things were known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.core.runtime.steady_time import SteadyTime
from services.core.store.schema.migrate import upgrade
from tests.clocks import ClockedPostgres, available
from tests.integration.aggregator.looping import loop_over
from tests.integration.aggregator.plant import Plant, Reading
from tests.integration.aggregator.test_pieces import METER
from tests.services import server_directory

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]


@pytest.fixture
def jumping() -> Iterator[ClockedPostgres]:
    if not available():
        pytest.skip("libfaketime is missing; run: deploy/local/bootstrap.sh test")
    with server_directory(for_postgres=True) as directory:
        server = ClockedPostgres(directory)
        server.start()
        server.execute("CREATE DATABASE tonne")
        upgrade(server.url_of("tonne"))
        yield server
        server.stop()


@pytest.mark.parametrize("offset", ["+2h", "-1h"])
def test_versions_that_come_while_it_jumps_are_dated_right(
    jumping: ClockedPostgres, offset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody else is there
    monkeypatch.setattr("services.aggregator.loop._LEAVE_S", 0.0)
    plant = Plant(jumping.url_of("tonne"), METER)
    steady = SteadyTime()
    loop = loop_over(jumping.url_of("tonne"), steady)
    began = datetime.now(UTC)

    def restate(value: float) -> None:
        plant.store([Reading("meter.energy", began - timedelta(hours=5, seconds=-value), value)])
        loop._paced_until_s.clear()
        while loop.run_once(plant.connection):
            loop._paced_until_s.clear()

    for value in (0, 1, 2):
        restate(value)
    plant.connection.execute("UPDATE emission_hour SET final = true")
    jumping.clock.jump_to(offset)
    for value in (3, 4, 5):
        restate(value)
    assert steady.is_frozen
    ended = datetime.now(UTC)
    jumping.clock.jump_to("+0s")
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
