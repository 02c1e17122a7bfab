"""The page of bounds: how large the body and the answer of each call may be."""

from __future__ import annotations

from typing import Any, Final

from deploy.reference.markdown import code, page, table
from services.api.app import create_app
from services.core.runtime.settings import Settings

_FILES: Final = "what facility files hold (1 MiB each, 10 000 entries of a kind)"
_PERIOD: Final = "100 000 rows of the period that is asked for, or 422"
_ONE: Final = "one object"
_TIME: Final = "what 15 s at the database give"

#: What bounds an answer that has neither ``limit`` nor ``max_points``.
ANSWERS: Final[dict[str, str]] = {
    "GET /v1/facilities/{facility}": "one file, 1 MiB",
    "GET /v1/facilities/{facility}/factors": _FILES,
    "GET /v1/facilities/{facility}/versions/{number}": "one file, 1 MiB",
    "GET /v1/facilities/{facility}/versions/{number}/difference": "two files, 1 MiB each",
    "GET /v1/facilities/{facility}/imports": "the files that are being uploaded",
    "GET /v1/facilities/{facility}/imports/{upload}": _ONE,
    "GET /v1/live": _FILES,
    "GET /v1/stream": "a stream: ten minutes; unread, one event in the process and 256 KiB in the"
    " system for 5 s, then it is reset; 100 of a key, 10 000 of all; see `TONNE_API_STREAMS`,"
    " `TONNE_API_STREAMS_PER_KEY`",
    "GET /v1/organisations": _FILES,
    "GET /v1/overview": _FILES,
    "GET /v1/devices": _FILES,
    "GET /v1/monitors": _FILES,
    "GET /v1/quarantine/replay/{replay}": _ONE,
    "GET /v1/reports": _TIME,
    "GET /v1/reports/emissions": "one report of one year",
    "GET /v1/reports/cbam": "one report of one year",
    "GET /v1/reports/hj212": _TIME,
    "GET /v1/reports/china-month": "one month of one facility",
    "GET /v1/limits": _FILES,
    "GET /v1/intensity": _PERIOD,
    "GET /v1/footprints": _TIME,
    "GET /v1/pathway": _FILES,
    "GET /v1/pathway/years": "200 years of each scope",
    "GET /v1/removals": _TIME,
    "GET /v1/forecast": _FILES,
    "GET /v1/explain": "one hour of one source",
    "GET /v1/factors/shares": "the hours that the call allows, or 422",
    "GET /v1/alerts/codes": "the codes there are",
    "GET /v1/alerts/{alert}": _ONE,
    "GET /v1/thresholds": _FILES,
    "GET /v1/facilities/{facility}/recipients": _FILES,
    "GET /v1/schema/facility": _ONE,
    "GET /v1/maintenance": _FILES,
    "GET /v1/sign-in": _ONE,
    "GET /v1/me": _ONE,
    "GET /healthz": _ONE,
    "GET /readyz": _ONE,
    "GET /metrics": "series of this process: routes and known methods, never words of clients",
    "GET /prometheus/api/v1/query": "11 000 points of a series and the samples of a query, as"
    " Prometheus",
    "GET /prometheus/api/v1/query_range": "the same",
    "GET /prometheus/api/v1/series": _FILES,
    "GET /prometheus/api/v1/labels": _FILES,
    "GET /prometheus/api/v1/label/{label}/values": _FILES,
    "GET /prometheus/api/v1/metadata": _ONE,
    "GET /prometheus/api/v1/status/buildinfo": _ONE,
}


def answer_bound(method: str, path: str, call: dict[str, Any]) -> str:
    """Say what bounds an answer.

    :raises KeyError: nothing that is known of; say it in :data:`ANSWERS`.
    """
    stated = ANSWERS.get(f"{method} {path}")
    if stated is not None:
        return stated
    for parameter in call.get("parameters", []):
        if parameter["name"] in ("limit", "max_points"):
            largest = _largest(parameter["schema"])
            if largest is not None:
                return f"{code(parameter['name'])}, {largest} rows at most"
    if method != "GET":
        return "what became of one change, or as the call with GET"
    raise KeyError(f"{method} {path}")


def page_of_bounds() -> str:
    """Return the page."""
    settings = Settings()
    specification = create_app(settings).openapi()
    rows = [
        (
            code(f"{method.upper()} {path}"),
            _body(method.upper(), path, settings),
            answer_bound(method.upper(), path, call),
        )
        for path, calls in specification["paths"].items()
        for method, call in calls.items()
    ]
    return page(
        "Bounds of calls",
        "No body and no answer is without a bound. A body is refused (413) by what it announces,"
        " and else when it passes the bound; its head may have 16 KiB. Each statement at the"
        " database ends after 15 s, an answer begins within 30 s (`TONNE_API_REQUEST_TIMEOUT_S`)"
        " and is fetched within 300 s (`TONNE_API_ANSWER_TIMEOUT_S`), and a client that leaves it"
        " unread for 60 s (`TONNE_API_STALL_TIMEOUT_S`) is cut off. Rows and requests of a key or"
        " address are counted by the minute. Pages, their files and the documentation take no body"
        " and are files of the package.",
        table(("call", "body", "answer"), rows),
    )


def _body(method: str, path: str, settings: Settings) -> str:
    is_part = method == "PUT" and path.endswith("/imports/{upload}/content")
    if is_part or (method, path) == ("POST", "/v1/readings"):
        own = settings.readings_body_bytes >> 20
        return f"{own} MiB (`TONNE_READINGS_BODY_BYTES`), 128 MiB of all together"
    return f"{settings.api_body_bytes >> 20} MiB (`TONNE_API_BODY_BYTES`)"


def _largest(schema: dict[str, Any]) -> int | None:
    if "maximum" in schema:
        return int(schema["maximum"])
    return next((int(s["maximum"]) for s in schema.get("anyOf", ()) if "maximum" in s), None)
