"""From changed histories to alerts, and from alerts to messages.

An alert that overlaps what its history says now is the same one; an alert that has no place in it
any more is marked as retracted and stays. Whoever was notified that something fires is notified of
its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import psycopg

from services.aggregator.alerts.changed_ranges import ChangedRanges
from services.core.accounting.alerting.episodes import Episode, Known, episodes, reconcile
from services.core.accounting.alerting.states import (
    FIRING_NO_DATA,
    INACTIVE,
    NAMES,
    RESOLVED,
    Transition,
)
from services.core.facility.model import spec
from services.core.facility.thresholds import Threshold
from services.core.store.alerts import history, writer
from services.core.store.alerts.body import alert_body, message_body
from services.core.store.alerts.history import Evaluation
from services.core.store.alerts.writer import Row
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.watch_plan import MaintenanceWindow, Watched
from services.core.store.registry.watched_names import WatchedNames
from services.core.timeline.instants import to_minute


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a transition follows from, and what it lets expect."""

    evaluation: Evaluation
    #: projected: the minute in which the limit will be passed, with its fraction
    crosses_minute: float | None


Outlooks = Mapping[tuple[int, int], Outlook]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Message:
    """What is sent to every recipient: a kind of transition, and the alert as it was then."""

    #: gets its id when it is written
    row: Row
    kind: str
    shown: Row
    spec: Mapping[str, Any]
    names: WatchedNames
    #: in the minute of the transition; None: unknown, or nothing was evaluated
    present_value: float | None


class AlertChanges:
    """Alerts to write and messages to send, gathered and then written at once."""

    def __init__(self, plan: FacilityPlan, now: datetime, version: int) -> None:
        self._plan, self._now, self._version = plan, now, version
        self._new: list[Row] = []
        self._changed: list[Row] = []
        self._messages: list[_Message] = []

    def add(
        self,
        old: Row | None,
        row: Row,
        threshold: Threshold,
        names: WatchedNames,
        present_value: float | None = None,
    ) -> None:
        """Take over an alert as it is now; ``old``: as it was, None: it is new.

        ``present_value``: of what is watched, in the minute of the transition.
        """
        if old == row:
            return
        row["data_version"] = self._version
        (self._new if old is None else self._changed).append(row)
        instant = self._now if row["resolved_at"] is None else row["fired_at"]
        muted_by = self._plan.watch.muted_by(threshold, instant)
        kinds: list[tuple[str, dict[str, Any]]] = []
        if old is None or not old["told"]:
            kinds = self._first_kinds(row, muted_by)
        elif _kind(old) == _kind(row) and old["projected"] == row["projected"]:
            return
        elif muted_by is None or _kind(row) == "resolved":
            kinds = [(_kind(row), {})]
        self._messages += [
            _Message(
                row=row,
                kind=kind,
                shown={**row, **as_it_was},
                spec=spec(threshold),
                names=names,
                present_value=None if as_it_was else present_value,
            )
            for kind, as_it_was in kinds
        ]

    @staticmethod
    def _first_kinds(
        row: Row, muted_by: MaintenanceWindow | None
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return what is sent of an alert of which nothing was sent yet."""
        if row["undone_at"] is not None:
            return []
        if muted_by is not None:
            row["maintenance_id"] = muted_by.id
            return []
        row["told"] = True
        present: tuple[str, dict[str, Any]] = (_kind(row), {})
        if _kind(row) == "firing":
            return [present]
        # it fired first, whatever became of it since
        return [("firing", {"state": "firing", "resolved_at": None}), present]

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the alerts and put the messages into the outbox."""
        writer.insert(connection, self._new)
        writer.update(connection, self._changed)
        writer.enqueue(
            connection,
            self._plan.id,
            self._plan.watch.targets,
            [self._outbox_row(message) for message in self._messages],
        )

    def _outbox_row(self, message: _Message) -> Row:
        lane, alert_id = f"{self._plan.slug}/{message.spec['id']}", message.row["id"]
        shown = {**message.shown, "id": alert_id}
        body = alert_body(shown, message.spec, message.names)
        return {
            "kind": message.kind,
            "lane": lane,
            "alert_id": alert_id,
            "body": message_body({**body, "present_value": message.present_value}),
            "key": f"{lane}/{alert_id}/{self._version}/{message.kind}",
        }


def reconcile_alerts(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    changed: ChangedRanges,
    watched: Mapping[int, Watched],
    outlooks: Outlooks,
    *,
    first: int,
    now: datetime,
    version: int,
) -> None:
    """Bring the alerts of ``watched``, by id, in line with what changed from ``first`` on."""
    rows: dict[int, list[Row]] = {threshold_id: [] for threshold_id in watched}
    for row in writer.known(connection, dict.fromkeys(watched, first)):
        rows[row["threshold_id"]].append(row)
    starts = {
        threshold_id: min([first, *(to_minute(row["fired_at"]) for row in of_threshold)])
        for threshold_id, of_threshold in rows.items()
    }
    histories = _by_threshold(history.since(connection, starts))
    changes = AlertChanges(plan, now, version)
    for threshold_id, evaluated in watched.items():
        result = reconcile(
            [
                Known(key=i, fired=to_minute(row["fired_at"]), resolved=_minute_or_none(row))
                for i, row in enumerate(rows[threshold_id])
            ],
            episodes(histories.get(threshold_id, ())),
        )
        for known in result.retracted:
            row = rows[threshold_id][known.key]
            present = _retracted(row, _reason(changed, evaluated), now)
            changes.add(row, present, evaluated.spec, evaluated.names)
        for known, episode in result.same:
            row = rows[threshold_id][known.key]
            present = _present(row, evaluated, episode, outlooks)
            value = _newest_value(evaluated, episode, outlooks)
            changes.add(row, present, evaluated.spec, evaluated.names, value)
        for episode in result.new:
            present = _present(_blank(plan, evaluated), evaluated, episode, outlooks)
            value = _newest_value(evaluated, episode, outlooks)
            changes.add(None, present, evaluated.spec, evaluated.names, value)
    changes.write(connection)


def announce_muted(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, version: int
) -> None:
    """Send what still fires and was muted by a maintenance that is over."""
    by_id = {threshold.id: threshold for threshold in plan.watch.thresholds}
    changes = AlertChanges(plan, now, version)
    for row in writer.unannounced(connection, plan.id):
        watched = by_id.get(row["threshold_id"])
        if watched is not None and plan.watch.muted_by(watched.spec, now) is None:
            present = {**row, "told": False, "data_version": version}
            changes.add(row, present, watched.spec, watched.names)
    changes.write(connection)


def retire(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, version: int
) -> None:
    """End the states and alerts of thresholds out of force, as all of a retired facility are."""
    minute = to_minute(now)
    cause = _cause(plan)
    changes = AlertChanges(plan, now, version)
    ended = []
    for retired in history.retired(connection, plan.id):
        newest = retired.newest
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
                Evaluation(value=None, limit=retired.spec.limit),
            )
        )
        for row in writer.known(connection, {newest.threshold: newest.minute}):
            if row["resolved_at"] is None:
                resolved = {
                    **row,
                    "state": "resolved",
                    "resolved_at": _instant(after),
                    "ended_by": cause,
                }
                changes.add(row, resolved, retired.spec, retired.names)
    if ended:
        history.revise(connection, plan.id, retracted=[], added=ended, data_version=version)
    changes.write(connection)


def _cause(plan: FacilityPlan) -> str:
    """Say what took a threshold out of force."""
    retirement = plan.retirement
    if retirement is None:
        return "the threshold was deleted"
    why = "" if retirement.reason is None else f": {retirement.reason}"
    return f"the facility was retired by {retirement.by}{why}"


def _present(row: Row, watched: Watched, episode: Episode, outlooks: Outlooks) -> Row:
    """Return the alert as its history says."""
    newest = episode.newest
    alert = {
        **row,
        "state": _state(episode),
        "projected": newest.projected,
        "started_at": _instant(episode.started),
        "fired_at": _instant(episode.fired),
        "resolved_at": None if episode.resolved is None else _instant(episode.resolved),
    }
    if episode.resolved is None:
        # a facility that came back within the minute goes on where it was
        alert["ended_by"] = None
    at_firing = outlooks.get((watched.id, episode.fired))
    if at_firing is not None and alert["fired_at"] != row["fired_at"]:
        alert |= {"value": at_firing.evaluation.value, "limit_value": at_firing.evaluation.limit}
    latest = outlooks.get((watched.id, newest.minute))
    if not newest.projected:
        alert |= {"crosses_at": None, "room": None}
    elif latest is not None:
        value, crosses = latest.evaluation.value, latest.crosses_minute
        alert |= {
            "crosses_at": None if crosses is None else _instant(crosses),
            "room": None if value is None else watched.spec.limit - value,
        }
    return alert


def _newest_value(watched: Watched, episode: Episode, outlooks: Outlooks) -> float | None:
    """Return the value in the minute of the newest transition, if it was evaluated now."""
    latest = outlooks.get((watched.id, episode.resolved or episode.newest.minute))
    return None if latest is None else latest.evaluation.value


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
        "ended_by": None,
    }


def _retracted(row: Row, reason: str, now: datetime) -> Row:
    ended = row["resolved_at"] or _instant(to_minute(now))
    return {
        **row,
        "state": "resolved",
        "resolved_at": ended,
        "undone_at": now,
        "undone_by": reason,
    }


def _reason(changed: ChangedRanges, watched: Watched) -> str:
    reasons = [changed.reasons[s] for s in watched.sources if s in changed.reasons]
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
