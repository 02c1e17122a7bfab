"""From changed histories to alerts, and from alerts to messages.

An alert that overlaps what its history says now is the same one; what no longer has a place in it
is marked as undone and stays. Whoever was told that something fires is told that it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import psycopg

from services.aggregator.alerts.changed_ranges import Seen
from services.core.accounting.alerting.episodes import Episode, Known, episodes, reconcile
from services.core.accounting.alerting.states import (
    FIRING_NO_DATA,
    INACTIVE,
    NAMES,
    RESOLVED,
    Transition,
)
from services.core.facility.model import spec
from services.core.store.alerts import history, writer
from services.core.store.alerts.body import alert_body, as_told
from services.core.store.alerts.writer import Row
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.watch_plan import Watched
from services.core.timeline.instants import to_minute


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a transition was judged by, and what it lets expect."""

    seen: history.Seen
    #: projected: the minute in which the limit will be passed, with its fraction
    crosses_minute: float | None


Outlooks = Mapping[tuple[int, int], Outlook]


class Told:
    """Alerts to write and messages to tell, gathered and then written at once."""

    def __init__(self, plan: FacilityPlan, now: datetime, version: int) -> None:
        self._plan, self._now, self._version = plan, now, version
        self._new: list[Row] = []
        self._changed: list[Row] = []
        self._messages: list[tuple[Row, str, Row, Mapping[str, Any]]] = []

    def put(self, old: Row | None, row: Row, threshold: Any) -> None:
        """Take over an alert as it is now; ``old``: as it was, None: it is new."""
        if old == row:
            return
        row["data_version"] = self._version
        (self._new if old is None else self._changed).append(row)
        at = self._now if row["resolved_at"] is None else row["fired_at"]
        silence = self._plan.watch.silence(threshold, at)
        document = spec(threshold)
        if old is None or not old["told"]:
            self._first(row, None if silence is None else silence.id, document)
        elif _kind(old) == _kind(row) and old["projected"] == row["projected"]:
            return
        elif silence is None or _kind(row) == "resolved":
            self._say(row, _kind(row), document)

    def _first(self, row: Row, silence_id: int | None, document: Mapping[str, Any]) -> None:
        if row["undone_at"] is not None:
            return
        if silence_id is not None:
            row["maintenance_id"] = silence_id
            return
        row["told"] = True
        if _kind(row) != "firing":
            # it fired first, whatever became of it since
            self._say(row, "firing", document, state="firing", resolved_at=None)
        self._say(row, _kind(row), document)

    def _say(self, row: Row, kind: str, document: Mapping[str, Any], **as_it_was: Any) -> None:
        self._messages.append((row, kind, {**row, **as_it_was}, document))

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the alerts and put the messages into the outbox."""
        writer.insert(connection, self._new)
        writer.update(connection, self._changed)
        slug = self._plan.slug
        writer.tell(
            connection,
            self._plan.id,
            self._plan.watch.targets,
            [
                {
                    "kind": kind,
                    "lane": f"{slug}/{document['id']}",
                    "alert_id": row["id"],
                    "body": as_told(alert_body({**shown, "id": row["id"]}, document)),
                    "key": f"{slug}/{document['id']}/{row['id']}/{self._version}/{kind}",
                }
                for row, kind, shown, document in self._messages
            ],
        )


def reconcile_alerts(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    seen: Seen,
    watched: Mapping[int, Watched],
    outlooks: Outlooks,
    *,
    first: int,
    now: datetime,
    version: int,
) -> None:
    """Bring the alerts of ``watched``, by id, in line with what changed from ``first`` on."""
    found = writer.known(connection, dict.fromkeys(watched, first))
    rows: dict[int, list[Row]] = {threshold_id: [] for threshold_id in watched}
    for row in found:
        rows[row["threshold_id"]].append(row)
    starts = {
        threshold_id: min([first, *(to_minute(row["fired_at"]) for row in of_threshold)])
        for threshold_id, of_threshold in rows.items()
    }
    histories = _by_threshold(history.since(connection, starts))
    told = Told(plan, now, version)
    for threshold_id, each in watched.items():
        result = reconcile(
            [
                Known(key=i, fired=to_minute(row["fired_at"]), resolved=_minute_or_none(row))
                for i, row in enumerate(rows[threshold_id])
            ],
            episodes(histories.get(threshold_id, ())),
        )
        for known in result.undone:
            row = rows[threshold_id][known.key]
            told.put(row, _undone(row, _reason(seen, each), now), each.spec)
        for known, episode in result.same:
            row = rows[threshold_id][known.key]
            told.put(row, _present(row, each, episode, outlooks), each.spec)
        for episode in result.new:
            told.put(None, _present(_blank(plan, each), each, episode, outlooks), each.spec)
    told.write(connection)


def end_silence(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, version: int
) -> None:
    """Tell what still fires and was not told during a maintenance that is over."""
    by_id = {each.id: each for each in plan.watch.thresholds}
    told = Told(plan, now, version)
    for row in writer.untold(connection, plan.id):
        watched = by_id.get(row["threshold_id"])
        if watched is not None and plan.watch.silence(watched.spec, now) is None:
            told.put(row, {**row, "told": False, "data_version": version}, watched.spec)
    told.write(connection)


def retire(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, version: int
) -> None:
    """End what belongs to thresholds that are out of force."""
    minute = to_minute(now)
    told = Told(plan, now, version)
    ended = []
    for threshold, newest in history.of_retired(connection, plan.id):
        after = max(minute, newest.minute + 1)
        state = RESOLVED if newest.is_open else INACTIVE
        ended.append(
            (
                Transition(
                    threshold=newest.threshold,
                    minute=after,
                    state=state,
                    projected=False,
                    since=after,
                ),
                history.Seen(value=None, limit=threshold.limit),
            )
        )
        for row in writer.known(connection, {newest.threshold: newest.minute}):
            if row["resolved_at"] is None:
                over = {**row, "state": "resolved", "resolved_at": _instant(after)}
                told.put(row, over, threshold)
    if ended:
        history.revise(connection, plan.id, undone=[], added=ended, data_version=version)
    told.write(connection)


def _present(row: Row, watched: Watched, episode: Episode, outlooks: Outlooks) -> Row:
    """The alert as its history says."""
    newest = episode.newest
    found = {
        **row,
        "state": _state(episode),
        "projected": newest.projected,
        "started_at": _instant(episode.started),
        "fired_at": _instant(episode.fired),
        "resolved_at": None if episode.resolved is None else _instant(episode.resolved),
    }
    at_firing = outlooks.get((watched.id, episode.fired))
    if at_firing is not None and found["fired_at"] != row["fired_at"]:
        found |= {"value": at_firing.seen.value, "limit_value": at_firing.seen.limit}
    latest = outlooks.get((watched.id, newest.minute))
    if not newest.projected:
        found |= {"crosses_at": None, "room": None}
    elif latest is not None:
        value, crosses = latest.seen.value, latest.crosses_minute
        found |= {
            "crosses_at": None if crosses is None else _instant(crosses),
            "room": None if value is None else watched.spec.limit - value,
        }
    return found


def _state(episode: Episode) -> str:
    if episode.resolved is not None:
        return NAMES[RESOLVED]
    return "no-data" if episode.newest.state == FIRING_NO_DATA else "firing"


def _blank(plan: FacilityPlan, watched: Watched) -> Row:
    return {
        "facility_id": plan.id,
        "threshold_id": watched.id,
        "threshold_version": watched.version,
        "fired_at": None,
        "value": None,
        "limit_value": watched.spec.limit,
        "crosses_at": None,
        "room": None,
        "maintenance_id": None,
        "told": False,
        "undone_at": None,
        "undone_by": None,
    }


def _undone(row: Row, reason: str, now: datetime) -> Row:
    ended = row["resolved_at"] or _instant(to_minute(now))
    return {
        **row,
        "state": "resolved",
        "resolved_at": ended,
        "undone_at": now,
        "undone_by": reason,
    }


def _reason(seen: Seen, watched: Watched) -> str:
    reasons = [seen.reasons[s] for s in watched.sources if s in seen.reasons]
    return "; ".join(dict.fromkeys(reasons)) or "readings arrived"


def _kind(row: Row) -> str:
    return "resolved" if row["resolved_at"] is not None else str(row["state"])


def _by_threshold(transitions: Iterable[Transition]) -> dict[int, list[Transition]]:
    return {
        threshold_id: list(of_threshold)
        for threshold_id, of_threshold in groupby(transitions, key=lambda t: t.threshold)
    }


def _minute_or_none(row: Row) -> int | None:
    return None if row["resolved_at"] is None else to_minute(row["resolved_at"])


def _instant(minute: float) -> datetime:
    return datetime.fromtimestamp(round(minute * 60), UTC)
