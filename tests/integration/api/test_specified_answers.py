"""The API is asked whatever its specification allows, and what it does not; the seed is fixed.

No answer may be a 5xx, have a status or media type that the specification does not name for the
call, or a body that it does not describe. ``EXAMPLES`` bounds the time; more find more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.app import create_app
from services.api.live.feed import Pace
from services.core.runtime.settings import Settings
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import FULL, MINUTE, Plant, announce, at, minutes, roll
from tests.integration.api.server import serving_in_thread
from tests.patience import PATIENCE_S
from tests.services import as_login

#: Of each call, once as the specification allows it and once as it does not.
EXAMPLES = int(os.environ.get("SPECIFIED_EXAMPLES", "10"))
SEED = 20261123

_FACILITY = Path(__file__).parents[2] / "fixtures" / "contract-facility.yaml"

# one test of some 1 400 requests: minutes on a machine that it shares
pytestmark = [pytest.mark.database, pytest.mark.timeout(1200)]

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture
def address(database_url: str) -> Iterator[str]:
    """A server in a thread of its own, over a plant that the specification's examples name."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        apply_text(database_url, _FACILITY.read_text())
        row = connection.execute("SELECT id, timezone FROM facility").fetchone()
        assert row is not None
        sources = dict(connection.execute("SELECT slug, id FROM source").fetchall())
        plant = Plant(facility_id=row[0], slug="linz", timezone=row[1], sources=sources)
        newest = at("2026-11-23T18:00:00Z")
        for source in sources.values():
            minutes(connection, source, [(newest - i * MINUTE, 2.0, FULL) for i in range(120)])
        roll(connection, plant, newest)
        announce(connection, plant)
    app = create_app(
        Settings(
            database_url=SecretStr(as_login(database_url, "tonne_api")),
            api_auth="off",
            api_requests_per_minute=10**6,
        ),
        pace=Pace(life_s=0.1),
    )
    with serving_in_thread(app) as url:
        yield url


def test_every_answer_is_one_that_the_specification_names(address: str) -> None:
    schema = schemathesis.openapi.from_url(
        f"{address}/v1/openapi.json", config=SchemathesisConfig(), timeout=PATIENCE_S
    )
    failures: dict[str, str] = {}
    calls = [result.ok() for result in schema.get_all_operations()]
    for call in calls:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            ask(call, mode, address, failures)
    assert len(calls) > 20
    assert not failures, "\n\n".join(f"{call}\n{error}" for call, error in failures.items())


def ask(call: Any, mode: GenerationMode, address: str, failures: dict[str, str]) -> None:
    """Ask one call ``EXAMPLES`` times; note the first failure of each status."""
    # no process runs here: readiness says so with 503, and so does what ingest would store
    is_away = call.path in {"/readyz", "/v1/readings"}
    checks = [each for each in CHECKS if not is_away or each is not not_a_server_error]

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=call.as_strategy(generation_mode=mode))
    def examples(case: Any) -> None:
        response = case.call(base_url=address, timeout=PATIENCE_S)
        try:
            case.validate_response(response, checks=checks)
        except FailureGroup as found:
            said = "\n".join(str(each) for each in (*found.exceptions, found))
            failures.setdefault(f"{call.label}: {response.status_code}", said)

    # of a call without parameters there is nothing that the specification does not allow
    with suppress(Unsatisfiable):
        examples()
