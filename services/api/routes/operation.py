"""Liveness, readiness, metrics."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.api.context import InContext
from services.api.http.answers import json_answer
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

#: What to do about a standby that is not read from, by the reason that counts it.
_UNUSED = {
    "away": "the API reads from the primary: the standby of TONNE_API_READS_URL cannot be reached;"
    " check the URL and the server",
    "hangs": "the API reads from the primary: the standby of TONNE_API_READS_URL takes connections"
    " and does not answer; check the server",
    "behind": "the API reads from the primary: the standby of TONNE_API_READS_URL is behind; check"
    " its replication and what holds up its replay",
    "ahead": "the API reads from the primary: the standby of TONNE_API_READS_URL shows commits that"
    " the primary waits with; check the synchronous standby",
    "promoted": "the API reads from the primary: what TONNE_API_READS_URL leads to is a primary"
    " itself; name a server that follows the one of TONNE_DATABASE_URL",
    "other-database": "the API reads from the primary: TONNE_API_READS_URL leads to another"
    " database; name a server that follows the one of TONNE_DATABASE_URL",
    "timeline": "the API reads from the primary: the standby of TONNE_API_READS_URL is of another"
    " timeline, or has not noted the new one since a failover, which its next restartpoint does;"
    " check that it follows the primary",
    "error": "the API reads from the primary: the standby of TONNE_API_READS_URL answers with an"
    " error; check the logs of the API and of the server",
}


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
    # what else is wrong, while answers are right
    beside = [Notice(process="api", code="cell-away", detail=cell.detail) for cell in away]
    if context.standby is not None and (reason := context.standby.unused) is not None:
        detail = _UNUSED.get(reason, _UNUSED["error"])
        beside.append(Notice(process="api", code="standby-unused", detail=detail))
    body = _readiness_body(await context.health.read(), context.clock, beside)
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
    readiness: Readiness | None, clock: Clock, beside: Sequence[Notice]
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
    notices += beside
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
