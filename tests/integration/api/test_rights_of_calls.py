"""Every call of the specification, asked with each kind of key: who lacks its right is refused.

A call that changes something has to stand below; one that reads needs ``read`` unless it says else.
"""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
import psycopg

from services.api.specification import PATH
from services.core.store.operations import keys
from services.core.store.people.roles import OF_SCOPE
from tests.integration.api.test_auth import bearer, guarded
from tests.integration.api.test_limited_keys import BODIES, NAMES

__all__ = ["guarded"]

#: What each call needs, where reading it is not enough; None: a key is, or nothing.
_RIGHTS: Final[dict[str | None, tuple[str, ...]]] = {
    None: (
        "GET /healthz", "GET /readyz", "GET /metrics", "GET /v1/schema/facility",
        "GET /v1/sign-in", "POST /v1/sign-in", "POST /v1/sign-out",
        "GET /v1/me", "PUT /v1/me/password",
    ),
    "read": (
        "POST /prometheus/api/v1/query", "POST /prometheus/api/v1/query_range",
        "POST /prometheus/api/v1/series", "POST /prometheus/api/v1/labels",
    ),
    "send": ("POST /v1/readings",),
    "operate": (
        "POST /v1/alerts/{alert}/ack", "POST /v1/quarantine/replay",
        "PUT /v1/maintenance/{maintenance}", "DELETE /v1/maintenance/{maintenance}",
    ),
    "configure": (
        "GET /v1/facilities/{facility}", "PUT /v1/facilities/{facility}",
        "DELETE /v1/facilities/{facility}", "POST /v1/facilities/{facility}/check",
        "POST /v1/facilities/{facility}/edit", "POST /v1/facilities/{facility}/try",
        "GET /v1/facilities/{facility}/versions",
        "GET /v1/facilities/{facility}/versions/{number}",
        "GET /v1/facilities/{facility}/versions/{number}/difference",
        "GET /v1/facilities/{facility}/imports", "POST /v1/facilities/{facility}/imports",
        "GET /v1/facilities/{facility}/imports/{upload}",
        "DELETE /v1/facilities/{facility}/imports/{upload}",
        "PUT /v1/facilities/{facility}/imports/{upload}/content",
        "POST /v1/facilities/{facility}/imports/{upload}/check",
        "POST /v1/facilities/{facility}/imports/{upload}/take",
        "POST /v1/facilities/{facility}/activities",
        "POST /v1/facilities/{facility}/activities/withdraw",
        "GET /v1/facilities/{facility}/recipients",
        "POST /v1/facilities/{facility}/recipients/test",
        "GET /v1/devices/candidates", "POST /v1/devices/candidates/{candidate}/adopt",
        "POST /v1/devices/candidates/{candidate}/dismiss",
        "PUT /v1/readings", "POST /v1/factors/{factor}/values",
        "PUT /v1/thresholds/{threshold}", "DELETE /v1/thresholds/{threshold}",
    ),
    "administer": ("GET /v1/audit",),
}  # fmt: skip


def _needed(call: str) -> str | None:
    for right, calls in _RIGHTS.items():
        if call in calls:
            return right
    assert call.startswith("GET "), f"{call}: say in _RIGHTS which right it needs"
    return "read"


async def test_every_call_refuses_who_lacks_its_right(
    guarded: httpx.AsyncClient, connection: psycopg.Connection[Any]
) -> None:
    of_scope = {scope: keys.create(connection, name=scope, scopes=[scope]) for scope in OF_SCOPE}
    paths = json.loads(PATH.read_text(encoding="utf-8"))["paths"]
    asked = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    assert {call for calls in _RIGHTS.values() for call in calls} <= asked
    for call in sorted(asked):
        right = _needed(call)
        method, path = call.split(" ")
        # of nobody's: who has the right learns that there is none
        url = path.format(**{name: nobody for name, (_, nobody) in NAMES.items()})
        body = BODIES.get(call)
        for scope, key in of_scope.items():
            answer = await guarded.request(method, url, json=body, headers=bearer(key))
            is_refused = answer.status_code == 403 and "This call needs" in answer.text
            assert is_refused is (right is not None and right not in OF_SCOPE[scope]), (call, scope)
        if right is not None:
            assert (await guarded.request(method, url, json=body)).status_code in {401, 403}, call
