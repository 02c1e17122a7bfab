"""What cannot be done is set aside, with its reason and its owner, so that the rest goes on.

A piece is a facility, a source of it, a recipient: whatever a service works on by itself. The
service leaves it alone until it is due again: after a while that doubles each time, when the
registry has changed, or when a recomputation is asked for. ``/readyz`` names every piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from services.core.runtime.credentials import without_credentials

#: The first wait, which doubles up to the longest one.
_FIRST_WAIT_S = 60
_LONGEST_WAIT_S = 3600

#: Of a longer reason, this much is kept.
_MAX_CHARACTERS = 500

_PUT = """
INSERT INTO set_aside AS s (service, facility_id, kind, name, reason, revision, retry_at)
VALUES (%(service)s, %(facility_id)s, %(kind)s, %(name)s, %(reason)s, %(revision)s,
        known_now() + make_interval(secs => %(first)s))
ON CONFLICT (service, facility_id, kind, name) DO UPDATE
SET reason = excluded.reason, revision = excluded.revision, tried = s.tried + 1,
    tried_at = known_now(), retry_at = known_now() + make_interval(
        secs => least(%(longest)s, %(first)s * power(2, least(s.tried, 20))))
"""

_RELEASE = """
DELETE FROM set_aside WHERE service = %(service)s AND facility_id = %(facility_id)s
AND kind = %(kind)s AND name = %(name)s
"""

_OF_SERVICE = """
SELECT s.facility_id, s.kind, s.name, s.reason, s.since, s.tried, s.from_minute, s.to_minute,
       s.revision IS DISTINCT FROM %(revision)s OR coalesce(s.retry_at <= known_now(), false)
       OR EXISTS (SELECT FROM recompute r JOIN source o ON o.id = r.source_id
                  WHERE r.facility_id = s.facility_id AND r.step = 'readings'
                    AND r.requested_at > s.tried_at AND s.name IN ('', o.slug)) AS due
FROM set_aside s
WHERE s.service = %(service)s AND (%(facility_id)s::int4 IS NULL OR facility_id = %(facility_id)s)
"""

# A note is of a piece that goes on but for some minutes: nothing is tried again.
_NOTE = """
INSERT INTO set_aside AS s (service, facility_id, kind, name, reason, from_minute, to_minute)
VALUES (%(service)s, %(facility_id)s, %(kind)s, %(name)s, %(reason)s, %(first)s, %(last)s)
ON CONFLICT (service, facility_id, kind, name) DO UPDATE
SET reason = excluded.reason, from_minute = least(s.from_minute, excluded.from_minute),
    to_minute = greatest(s.to_minute, excluded.to_minute)
"""

_SHORTEN = """
UPDATE set_aside SET from_minute = %(first)s, to_minute = %(last)s
WHERE service = %(service)s AND facility_id = %(facility_id)s AND kind = %(kind)s
  AND name = %(name)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A piece of a service's work, and whose it is."""

    facility_id: int
    #: ``facility``, ``source``, ``masses`` (of a source), or what else the service tells apart
    kind: str
    #: within the facility; empty: all of it
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """A piece that is set aside."""

    facility_id: int
    kind: str
    name: str
    reason: str
    since: datetime
    #: how often it was tried in vain
    tried: int
    #: first and last minute since the epoch, of a piece that goes on but for these
    from_minute: int | None
    to_minute: int | None
    #: to be tried again now
    due: bool

    @property
    def piece(self) -> Piece:
        """Which."""
        return Piece(facility_id=self.facility_id, kind=self.kind, name=self.name)


def put(
    connection: psycopg.Connection[Any], service: str, piece: Piece, reason: str, revision: int
) -> None:
    """Set a piece aside, once more if it is; ``revision``: of the registry it was tried with."""
    connection.execute(
        _PUT,
        {
            **_key(service, piece),
            "reason": " ".join(without_credentials(reason).split())[:_MAX_CHARACTERS],
            "revision": revision,
            "first": _FIRST_WAIT_S,
            "longest": _LONGEST_WAIT_S,
        },
    )


def release(connection: psycopg.Connection[Any], service: str, piece: Piece) -> None:
    """Take a piece up again."""
    connection.execute(_RELEASE, _key(service, piece))


def note(
    connection: psycopg.Connection[Any],
    service: str,
    piece: Piece,
    reason: str,
    first: int,
    last: int,
) -> None:
    """Say of a piece that goes on that some of its minutes, within these two, cannot be told."""
    connection.execute(
        _NOTE, {**_key(service, piece), "reason": reason, "first": first, "last": last}
    )


def shorten(
    connection: psycopg.Connection[Any], service: str, noted: SetAside, first: int, last: int
) -> None:
    """Say that the minutes from ``first`` to ``last`` can be told now.

    What a note speaks of becomes shorter at its ends, and it is gone when nothing is left.
    """
    if noted.from_minute is None or noted.to_minute is None:
        return
    begin = last + 1 if first <= noted.from_minute <= last else noted.from_minute
    end = first - 1 if first <= noted.to_minute <= last else noted.to_minute
    if begin > end:
        release(connection, service, noted.piece)
    elif (begin, end) != (noted.from_minute, noted.to_minute):
        connection.execute(_SHORTEN, {**_key(service, noted.piece), "first": begin, "last": end})


def of_service(connection: psycopg.Connection[Any], service: str, revision: int) -> list[SetAside]:
    """Read everything that is set aside of a service; ``revision``: that the registry has now."""
    return _read(connection, {"service": service, "revision": revision, "facility_id": None})


def of_facility(
    connection: psycopg.Connection[Any], service: str, facility_id: int
) -> list[SetAside]:
    """Read what is set aside of one facility."""
    return _read(connection, {"service": service, "revision": None, "facility_id": facility_id})


def _read(connection: psycopg.Connection[Any], service: Mapping[str, Any]) -> list[SetAside]:
    with connection.cursor(row_factory=class_row(SetAside)) as cursor:
        return cursor.execute(_OF_SERVICE, service).fetchall()


def _key(service: str, piece: Piece) -> Mapping[str, Any]:
    return {
        "service": service,
        "facility_id": piece.facility_id,
        "kind": piece.kind,
        "name": piece.name,
    }
