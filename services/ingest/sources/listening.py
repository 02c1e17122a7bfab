"""Keeps what the broker's session listens to in step with the registry, and durably known.

A persistent session outlives its client. What it may hold is noted before the broker is asked, so
that a process that starts after a change of the registry knows which filters to leave, and in which
order. See :mod:`.subscriptions`.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
import structlog

from services.core.facility.topics import unheard
from services.core.store.operations.broker_sessions import BrokerSession, keep_filters
from services.ingest.sources import subscriptions
from services.ingest.sources.source import MessageSource

_log: Final = structlog.get_logger()


class Listening:
    """What is asked of a source, step by step."""

    def __init__(self, source: MessageSource, session: BrokerSession | None) -> None:
        """``session``: None where the broker itself says what is listened to."""
        self._source = source
        self._session = session
        #: what the broker's session may hold
        self._subscribed: frozenset[str] = frozenset()
        self._noted: frozenset[str] | None = None
        self._device_topics: frozenset[str] = frozenset()
        #: topics of retired facilities: what the broker holds of them is still taken
        self._retired: frozenset[str] = frozenset()
        self._step: subscriptions.Step | None = None
        self._refused: frozenset[str] = frozenset()

    def begin(
        self,
        connection: psycopg.Connection[Any],
        own_topics: frozenset[str],
        retired_topics: frozenset[str] = frozenset(),
    ) -> None:
        """Start the source."""
        self._device_topics, self._retired = own_topics, retired_topics
        session = self._session
        if session is not None:
            former = session.filters
            self._subscribed = subscriptions.former(own_topics) if former is None else former
            self._noted = former
        next_step = self._next()
        self._note(connection, next_step)
        self._source.start(
            next_step.wanted,
            draining=next_step.draining,
            needless=next_step.needless,
            known=bool(self._noted) and bool(session and session.filters),
        )

    def follow(
        self,
        connection: psycopg.Connection[Any],
        own_topics: frozenset[str],
        retired_topics: frozenset[str] = frozenset(),
    ) -> None:
        """Note that the registry has changed."""
        new = [topic for topic in own_topics - self._device_topics if not unheard(topic)]
        self._device_topics, self._retired = own_topics, retired_topics
        # what was refused is asked for again
        self._refused = frozenset()
        # what a filter brought before its topic was a device's was ignored; brokers retain the
        # newest of it, and send that to whoever subscribes
        wanted = frozenset() if self._step is None else self._step.wanted
        renewed = frozenset(
            filter_
            for filter_ in wanted - {subscriptions.NATIVE}
            if any(subscriptions.matches(filter_, topic) for topic in new)
        )
        again = bool(self._source.refused or renewed)
        self._take(connection, again=again, renewed=renewed)

    def look(self, connection: psycopg.Connection[Any]) -> None:
        """Note what was left and refused, and take the next step; call every second or so."""
        if self._session is None or not self._source.connected:
            return
        self._subscribed -= self._source.left
        self._refused |= frozenset(self._source.refused)
        self._take(connection, again=False)

    @property
    def refused(self) -> dict[str, str]:
        """Filters and topics that the broker does not bring, with the reason."""
        reasons = dict(self._source.refused)
        for topic in sorted(self._device_topics):
            if why := unheard(topic):
                reasons[topic] = why
        return reasons

    def _next(self) -> subscriptions.Step:
        limit = self._source.max_units
        return subscriptions.step(
            self._subscribed,
            subscriptions.filters(self._device_topics, max_units=limit),
            self._device_topics | self._retired,
            max_units=limit,
            refused=self._refused,
        )

    def _take(
        self,
        connection: psycopg.Connection[Any],
        *,
        again: bool,
        renewed: frozenset[str] = frozenset(),
    ) -> None:
        next_step = self._next()
        before = self._step
        self._note(connection, next_step)
        changed = before is None or (next_step.wanted, next_step.draining) != (
            before.wanted,
            before.draining,
        )
        if changed or again:
            _log.info(
                "listening to other filters",
                filters=sorted(next_step.wanted),
                until_drained=sorted(next_step.draining),
            )
            self._source.subscribe(
                next_step.wanted,
                draining=next_step.draining,
                renewed=renewed & next_step.wanted,
            )

    def _note(self, connection: psycopg.Connection[Any], next_step: subscriptions.Step) -> None:
        self._step = next_step
        self._subscribed |= next_step.wanted
        if self._session is not None and self._subscribed != self._noted:
            keep_filters(connection, self._session.name, self._subscribed)
            self._noted = self._subscribed
