"""Relative times and dates in requests, by the clock of the API."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.aggregator.plant import apply_text


@pytest.fixture(autouse=True)
def _works(database_url: str) -> None:
    apply_text(database_url)


async def test_a_day_is_asked_for_in_every_way(client: httpx.AsyncClient) -> None:
    """The clock stands at 2026-11-23T18:00:30Z."""
    answers = [
        (await client.get(f"/v1/emissions?facility=works&source=stack&interval=1h&{span}")).json()
        for span in (
            "from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z",
            "from=2026-11-22&to=2026-11-23",
            "from=now-1d/d&to=now-1d/d",
        )
    ]
    assert [row["time"] for row in answers[0]][::23] == [
        "2026-11-22T00:00:00Z", "2026-11-22T23:00:00Z",
    ]  # fmt: skip
    assert answers[1] == answers[0]
    assert answers[2] == answers[0]


@pytest.mark.parametrize(
    "path", ["emissions", "annotations", "alerts", "restatements", "quarantine", "maintenance"]
)
async def test_a_reversed_span_is_refused_with_one_message(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(f"/v1/{path}?from=now&to=now-1d")
    assert answer.status_code == 422
    assert (
        "`from` must be before `to`, but 2026-11-23T18:00:30Z is not before 2026-11-22T18:00:30Z"
        in answer.text
    )
