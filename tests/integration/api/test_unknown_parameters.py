"""What a call does not know is answered with what it takes, the nearest first."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("GET", "/v1/live?facilty=linz", None,
         "facilty: unknown parameter (did you mean facility?); this call takes facility, as_of"),
        ("GET", "/v1/reports?x=1", None,
         "x: unknown parameter; this call takes facility, year, as_of, format, source"),
        ("GET", "/v1/alerts/1?full=1", None, "full: unknown parameter; this call takes none"),
        ("GET", "/v1/explain", None, "facility: required, for example facility=linz"),
        ("GET", "/v1/annotations?kind=alrt,gap", None,
         ("kind: 'alrt' is not one of alert, maintenance, calibration, gap, register, factor,"
          " facility; did you mean alert?")),
        ("GET", "/v1/quarantine?reason=conflct", None,
         "refused_by_database; did you mean conflict?"),
        ("GET", "/v1/quarantine?state=opn", None,
         "state: 'opn' is not one of open, replayed, accepted, discarded, all; did you mean open?"),
        ("GET", "/v1/emissions?max_points=x", None, "max_points: 'x' is not a whole number"),
        ("GET", "/v1/factors?superseded=ja", None, "superseded: 'ja' is not true or false"),
        ("PUT", "/v1/thresholds/Too-Much", {}, "threshold: 'Too-Much' is not an id"),
        ("POST", "/v1/quarantine/replay", {"reasn": ["conflict"]},
         "reasn: unknown key (did you mean reason?); this call takes ids, facility, device,"),
        ("POST", "/v1/quarantine/replay", {"reason": ["conflct"]}, "did you mean conflict?"),
        ("POST", "/v1/alerts/1/ack", {"coment": "seen"},
         "coment: unknown key (did you mean comment?); this call takes comment"),
    ],
)  # fmt: skip
async def test_it_says_what_is_known(
    client: httpx.AsyncClient, method: str, path: str, body: Any, says: str
) -> None:
    response = await client.request(method, path, json=body)
    problem = response.json()
    assert (response.status_code, problem["type"]) == (422, "urn:tonne:problem:invalid-request")
    assert says in problem["detail"]
    first = problem["errors"][0]
    assert problem["detail"].startswith(f"{first['parameter']}: {first['message']}")
