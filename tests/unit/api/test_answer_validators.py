"""Validators of answers hold what was read before the state."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import pytest
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.http.validators import Validator
from services.api.routes import answer_validators
from services.core.store.answers.facility_queries import FacilityRow
from services.core.timeline.instants import EPOCH, HOUR

CONNECTION = cast(AsyncConnection, None)
FACILITY: dict[str, Any] = {"id": 1, "slug": "linz", "name": "Linz", "timezone": "UTC"}


@pytest.mark.parametrize(
    "before",
    [{"name": "Steyr"}, {"timezone": "Europe/Vienna"}, {"retired_at": EPOCH}, {"slug": "steyr"}],
    ids=lambda before: next(iter(before)),
)
async def test_facilities_of_an_earlier_state_have_another_tag(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
) -> None:
    async def same_state(_connection: object, _ids: object) -> str:
        return "same"

    monkeypatch.setattr(answer_validators, "totals_state", same_state)
    request = Request({"type": "http", "path": "/", "query_string": b"", "headers": []})
    now: datetime = EPOCH + HOUR

    async def of_year(facility: FacilityRow) -> Validator:
        return await answer_validators.year_validator(CONNECTION, request, [facility], None, now)

    async def of_span(facility: FacilityRow) -> Validator:
        return await answer_validators.emissions_validator(
            CONNECTION, request, [facility], EPOCH, now, longest=HOUR, now=now
        )

    for build in (of_year, of_span):
        tags = {
            (await build(FacilityRow(**FACILITY | changed))).tag for changed in ({}, before, {})
        }
        assert len(tags) == 2
