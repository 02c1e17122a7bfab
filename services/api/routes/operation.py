"""Liveness, readiness, metrics."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.api.context import InContext
from services.api.http.answers import json_answer
from services.api.http.problems import CellAway
from services.api.languages.reader import translate
from services.api.models.operation import Ready
from services.core.runtime.clock import Clock
from services.core.runtime.metrics import api_registry
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.progress import STALE_AFTER_S
from services.core.store.database.schema_version import is_ahead, objection
from services.core.store.operations.readiness import LeftAlone, Notice, Readiness

router = APIRouter(tags=["operation"])

_PROCESSES = {
    "ingest": "tonne ingest", "aggregator": "tonne aggregate", "notify": "tonne notify"
}  # fmt: skip
#: Notifications that are pending for longer are reported; the first retries are over by then.
_PENDING_S = 300.0


@router.get("/healthz", summary="Liveness probe")
async def healthz() -> dict[str, str]:
    """Answer as long as the process runs."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Readiness probe",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Not ready; `missing` says why"}},
)
async def readyz(context: InContext) -> Response:
    """Check that the database is migrated and that ingest, aggregator and notifier progress."""
    away = [] if context.cells is None else await context.cells.who_is_away()
    body = _readiness_body(await context.health.read(), context.clock, away)
    answer = json_answer(body)
    answer.status_code = 200 if body["ready"] else 503
    return answer


@router.get(
    "/metrics",
    summary="Get metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "tonne_api_streams 3.0\n"}}}},
)
async def metrics() -> Response:
    """Return every metric of this process, in Prometheus' text format."""
    return Response(generate_latest(api_registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _readiness_body(
    readiness: Readiness | None, clock: Clock, away: Sequence[CellAway]
) -> dict[str, object]:
    missing: list[str] = []
    processes: dict[str, object] = {}
    outdated = None if readiness is None else objection(readiness.schema)
    if readiness is None:
        missing.append("the database does not answer; check TONNE_DATABASE_URL and the server")
    elif outdated is not None:
        missing.append(outdated)
    elif readiness.unreadable is not None:
        missing.append(readiness.unreadable)
    for process, command in _PROCESSES.items():
        age_s = None if readiness is None else readiness.progress_age_s.get(process)
        ready = age_s is not None and age_s <= STALE_AFTER_S
        processes[process] = {"ready": ready, "age_s": age_s}
        if readiness is not None and age_s is None:
            missing.append(f"{process} is not running; start `{command}`")
        elif age_s is not None and not ready:
            missing.append(
                f"{process} has made no progress for {age_s:.0f} s; check its log and restart"
                f" `{command}`"
            )
    if readiness is not None and readiness.broker_away:
        missing.append("ingest has no session with the broker; check TONNE_MQTT_URL and the broker")
    if readiness is not None and readiness.discovery_begins:
        missing.append("ingest does not listen to unknown devices yet; ask again in a moment")
    notices = [] if readiness is None else _notices(readiness)
    if isinstance(clock, SteadyTime):
        notices += [Notice(process="api", **notice) for notice in clock.notices()]
    # the facilities of the others are served
    notices += [Notice(process="api", code="cell-away", detail=cell.detail) for cell in away]
    return {
        "ready": not missing,
        "database": readiness is not None,
        "schema_current": readiness is not None and outdated is None,
        "processes": processes,
        "missing": list(map(translate, missing)),
        "warnings": [translate(notice.detail) for notice in notices],
        "notices": [
            {"code": notice.code, "process": notice.process, "detail": translate(notice.detail)}
            for notice in notices
        ],
    }


def _notices(readiness: Readiness) -> list[Notice]:
    """Collect what needs attention although the totals are correct."""
    notices: list[Notice] = []
    if is_ahead(readiness.schema):
        notices.append(
            Notice(
                process="api",
                code="schema-newer",
                detail="a newer version of tonne has migrated the database: this one works on"
                " it; start the newer one in its place",
            )
        )
    if readiness.shed:
        notices.append(
            Notice(
                process="ingest",
                code="quarantine-full",
                detail=f"quarantine is full: ingest dropped {readiness.shed} refused messages"
                " in the last two minutes; see `tonne quarantine list`, then replay or discard"
                " entries",
            )
        )
    if readiness.mostly_refused:
        notices.append(
            Notice(
                process="ingest",
                code="mostly-refused",
                detail="ingest refuses more than half of the messages; `tonne quarantine list`"
                " shows why",
            )
        )
    if readiness.pending_s > _PENDING_S:
        notices.append(
            Notice(
                process="notify",
                code="alerts-untold",
                detail=f"{readiness.pending} notifications are waiting, the oldest for"
                f" {readiness.pending_s:.0f} s; `tonne alerts waiting` shows the recipients and the"
                " reasons",
            )
        )
    return [*notices, *map(_left_alone, readiness.set_aside), *readiness.notices]


def _left_alone(piece: LeftAlone) -> Notice:
    """Describe what is set aside, since when and why."""
    name = f"{piece.facility}/{piece.name}" if piece.name else f"facility {piece.facility}"
    since = f"since {piece.since:%Y-%m-%dT%H:%MZ}"
    if piece.kind == "masses":
        detail = f"{name}: {piece.reason} ({since})"
        return Notice(process=piece.service, code="impossible-masses", detail=detail)
    state = "is not computed" if piece.service == "aggregator" else f"is skipped by {piece.service}"
    return Notice(
        process=piece.service,
        code="set-aside",
        detail=f"{name} {state} {since}: {piece.reason}; it is retried after a while, when a"
        " facility file changes, and by `tonne recompute`",
    )
