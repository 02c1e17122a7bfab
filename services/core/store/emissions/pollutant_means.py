"""Means of pollutants: formed when their interval is over, formed again when readings change it.

What changes is kept beside it, with the time for which it stood.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

import numpy as np
import psycopg

from services.core.accounting.pollutants.compliance import Means
from services.core.accounting.pollutants.means import PollutantMean
from services.core.store.database.arrays import PackedRows

_FIGURES: LiteralString = (
    "minutes, valid, verdict, reason, covered_ms, operating_ms, inputs, unit, dry_mg_m3,"
    " factor, mean_mg_m3, mass_ug, mass_reason, beyond_calibration"
)
_COLUMNS: LiteralString = f"source_id, pollutant, starts, {_FIGURES}, version, why, known_at"


def _prefixed(prefix: LiteralString, names: LiteralString) -> LiteralString:
    return ", ".join(prefix + name for name in names.split(", "))


def _supersede(changing: LiteralString) -> LiteralString:
    """Return the statement that keeps final means ``m`` as they are; ``changing``: FROM what."""
    return (
        f"INSERT INTO pollutant_mean_history ({_COLUMNS}, superseded_at)"  # noqa: S608 - constants
        f" SELECT {_prefixed('m.', _COLUMNS)}, greatest(known_now(), m.known_at)"
        f" FROM {changing} AND m.final"
    )


_CHANGES: LiteralString = (
    f"({_prefixed('m.', _FIGURES)}) IS DISTINCT FROM ({_prefixed('{{n}}.', _FIGURES)})"
)

# Where the averaging interval changed, means of other intervals of these hours go, as do those of a
# monitor that turns out to be newer; and what waited under the name of a pollutant that the file
# names no more.
_FORM: LiteralString = f"""
WITH n AS (
    SELECT pollutant, minute_start(first_minute) AS starts, minutes, valid, verdict, reason,
           covered_ms, operating_ms, inputs::jsonb, unit, dry_mg_m3, factor, mean_mg_m3, mass_ug,
           mass_reason, beyond_calibration
    FROM unnest(%(pollutants)s::text[], %(firsts)s::int4[], %(minutes)s::int2[], %(valid)s::bool[],
                %(verdicts)s::text[], %(reasons)s::text[], %(covered)s::int4[],
                %(operating)s::int4[], %(inputs)s::text[], %(units)s::text[], %(dry)s::float8[],
                %(factors)s::float8[], %(means)s::float8[], %(masses)s::int8[],
                %(mass_reasons)s::text[], %(beyond)s::bool[])
        AS n(pollutant, first_minute, {_FIGURES})
), gone AS (
    DELETE FROM pollutant_mean m WHERE m.source_id = %(source)s
       AND m.starts IN (SELECT minute_start(h * 60 + k)
                        FROM unnest(%(hours)s::int4[]) AS h, unnest(ARRAY[0, 30]) AS k)
       AND (m.pollutant = ANY(%(names)s) OR NOT m.final)
       AND NOT EXISTS (SELECT FROM n WHERE n.pollutant = m.pollutant AND n.starts = m.starts)
    RETURNING m.*
), kept_gone AS ({_supersede("gone m WHERE true")}), kept AS ({
    _supersede(
        "pollutant_mean m JOIN n USING (pollutant, starts) WHERE m.source_id = %(source)s"
        " AND " + _CHANGES.replace("{{n}}", "n")
    )
}), written AS (
    INSERT INTO pollutant_mean AS m
        (source_id, pollutant, starts, {_FIGURES}, version, why, known_at, final)
    SELECT %(source)s, n.pollutant, n.starts, {_prefixed("n.", _FIGURES)}, 1, 'closed',
           known_now(), true
    FROM n
    ON CONFLICT (source_id, pollutant, starts) DO UPDATE
    SET ({_FIGURES}, version, why, known_at, final)
      = ({_prefixed("excluded.", _FIGURES)}, m.version + m.final::int,
         CASE WHEN m.final THEN %(why)s ELSE 'closed' END, greatest(known_now(), m.known_at), true)
    WHERE NOT m.final OR {_CHANGES.replace("{{n}}", "excluded")}
    RETURNING m.starts
)
SELECT minute_of(min(starts)), minute_of(max(starts)) FROM
    (SELECT starts FROM written UNION ALL SELECT starts FROM gone) q
"""  # noqa: S608 - constants

_THEN: LiteralString = (
    f"(SELECT {_COLUMNS}, final FROM pollutant_mean WHERE known_at <= %(as_of)s"  # noqa: S608
    f" UNION ALL SELECT {_COLUMNS}, true FROM pollutant_mean_history"
    " WHERE known_at <= %(as_of)s AND superseded_at > %(as_of)s)"
)


def means(*, then: bool) -> LiteralString:
    """Return SQL of what to read means FROM; ``then``: as they were known at ``as_of``."""
    return _THEN if then else "pollutant_mean"


# A mean that waits says since when its readings last changed.
_WAIT = """
INSERT INTO pollutant_mean AS m
    (source_id, pollutant, starts, minutes, valid, verdict, reason, covered_ms, operating_ms,
     inputs, unit, mass_reason, version, why, known_at, final)
SELECT %(source)s, %(pollutant)s, minute_start(60 * h), 60, false, 'open',
       'it waits to be formed', 0, 0, '{}', '', '', 1, 'open', known_now(), false
FROM unnest(%(hours)s::int4[]) AS h
ON CONFLICT (source_id, pollutant, starts) DO UPDATE SET known_at = known_now() WHERE NOT m.final
"""

_REOPEN = """
UPDATE pollutant_mean m SET final = false
FROM unnest(%(sources)s::int4[], %(lateness_s)s::float8[]) AS s(source_id, lateness_s)
WHERE m.source_id = s.source_id AND m.final
  AND m.starts > %(now)s::timestamptz - make_interval(secs => 3600 + s.lateness_s)
"""

_WAITING = """
SELECT minute_of(min(starts)) / 60, min(abs(extract(epoch FROM known_now() - known_at)))::float8
FROM pollutant_mean WHERE source_id = %s AND NOT final
"""

_FORMED = """
SELECT DISTINCT minute_of(starts) / 60 FROM pollutant_mean
WHERE source_id = %(source)s AND final
  AND starts >= minute_start(60 * %(first)s) AND starts < minute_start(60 * (%(last)s + 1))
"""

# Hours in which each pollutant has its means that is measured by then.
_COMPLETE = """
SELECT h FROM unnest(%(hours)s::int4[]) AS h
WHERE NOT EXISTS (
    SELECT FROM unnest(%(names)s::text[], %(since)s::int4[]) AS p(name, since)
    WHERE h >= p.since AND NOT EXISTS (
        SELECT FROM pollutant_mean m
        WHERE m.source_id = %(source)s AND m.pollutant = p.name AND m.final
          AND m.starts >= minute_start(60 * h) AND m.starts < minute_start(60 * (h + 1))))
"""

# A channel whose readings were dropped as too old was there before the first one that is left.
_SINCE = """
SELECT c, CASE WHEN EXISTS (SELECT FROM channel_horizon z WHERE z.channel_id = c) THEN 0
          ELSE minute_of(least(
              (SELECT ts FROM reading WHERE channel_id = c ORDER BY ts LIMIT 1),
              (SELECT first_ts FROM packed_readings WHERE channel_id = c ORDER BY day LIMIT 1)
          )) / 60 END
FROM unnest(%s::int4[]) AS c
"""

_FIRST_FORMED = """
SELECT n, (SELECT minute_of(min(m.starts)) / 60 FROM pollutant_mean m
           WHERE m.source_id = %s AND m.pollutant = n AND m.final)
FROM unnest(%s::text[]) AS n
"""

_FIRST = """
SELECT minute_of(min(first)) / 60 FROM unnest(%s::int4[]) AS c
CROSS JOIN LATERAL (
    SELECT least((SELECT ts FROM reading WHERE channel_id = c ORDER BY ts LIMIT 1),
                 (SELECT first_ts FROM packed_readings WHERE channel_id = c ORDER BY day LIMIT 1))
           AS first) r
"""


_MEAN = PackedRows(starts="int4", mean="float8", operated="bool")

_BETWEEN: LiteralString = f"""
SELECT {
    _MEAN.sql(
        "minute_of(m.starts)",
        "coalesce(m.mean_mg_m3, 'NaN')",
        "(m.operating_ms > 0)",
        order_by="m.starts",
    )
}
FROM {{means}} m WHERE m.source_id = %(source)s AND m.pollutant = %(pollutant)s
  AND m.minutes = %(minutes)s AND m.final
  AND m.starts >= %(begins)s AND m.starts < %(ends)s
"""  # noqa: S608 - constants


def bounds(connection: psycopg.Connection[Any], source_id: int) -> tuple[int, int] | None:
    """Read the first and the last hour of which means were formed; None: none was."""
    row = connection.execute(
        "SELECT minute_of(min(starts)) / 60, minute_of(max(starts)) / 60 FROM pollutant_mean"
        " WHERE source_id = %s AND final",
        (source_id,),
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def stored(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> dict[tuple[str, int], PollutantMean]:
    """Read the means of hours from ``first`` to ``last``, by pollutant and first minute."""
    rows = connection.execute(
        f"SELECT pollutant, minute_of(starts), {_FIGURES} FROM pollutant_mean"  # noqa: S608
        " WHERE source_id = %s AND final"
        " AND starts >= minute_start(60 * %s) AND starts < minute_start(60 * (%s + 1))",
        (source_id, first, last),
    )
    names = _FIGURES.split(", ")
    return {
        (pollutant, minute): PollutantMean(
            first_minute=minute, **dict(zip(names, figures, strict=True))
        )
        for pollutant, minute, *figures in rows
    }


def means_between(
    connection: psycopg.Connection[Any],
    source_id: int,
    pollutant: str,
    minutes: int,
    *,
    begins: datetime,
    ends: datetime,
    as_of: datetime | None = None,
) -> Means:
    """Read the means of a pollutant in a span, of intervals of ``minutes``."""
    row = connection.execute(
        _BETWEEN.format(means=means(then=as_of is not None)),
        {
            "source": source_id,
            "pollutant": pollutant,
            "minutes": minutes,
            "begins": begins,
            "ends": ends,
            "as_of": as_of,
        },
        binary=True,
    ).fetchone()
    columns = _MEAN.columns(None if row is None else row[0])
    return Means(
        starts=columns["starts"].astype(np.int64),
        mean=columns["mean"],
        operated=columns["operated"],
        minutes=minutes,
    )


def last_formed(connection: psycopg.Connection[Any], source_id: int) -> int | None:
    """Read the newest hour (since the epoch) of which means were formed; None: none was."""
    row = connection.execute(
        "SELECT minute_of(max(starts)) / 60 FROM pollutant_mean WHERE source_id = %s AND final",
        (source_id,),
    ).fetchone()
    return row[0] if row else None


def first_read(connection: psycopg.Connection[Any], channel_ids: Sequence[int]) -> int | None:
    """Read the hour of the first reading of any of the channels; None: there is none."""
    row = connection.execute(_FIRST, (list(channel_ids),)).fetchone()
    return row[0] if row else None


def formed(connection: psycopg.Connection[Any], source_id: int, hours: Collection[int]) -> set[int]:
    """Read which of the hours means were formed of."""
    rows = connection.execute(
        _FORMED, {"source": source_id, "first": min(hours), "last": max(hours)}
    )
    return {row[0] for row in rows} & set(hours)


def measured_since(
    connection: psycopg.Connection[Any], channel_ids: Collection[int]
) -> dict[int, int]:
    """Read since which hour channels have readings; one that has none is not there."""
    rows = connection.execute(_SINCE, (list(channel_ids),))
    return {channel: hour for channel, hour in rows if hour is not None}


def formed_since(
    connection: psycopg.Connection[Any], source_id: int, names: Collection[str]
) -> dict[str, int]:
    """Read the first hour of which means of pollutants were formed; without any: not there."""
    rows = connection.execute(_FIRST_FORMED, (source_id, list(names)))
    return {name: hour for name, hour in rows if hour is not None}


def complete(
    connection: psycopg.Connection[Any],
    source_id: int,
    hours: Collection[int],
    since: Mapping[str, int],
) -> set[int]:
    """Read in which hours all means were formed; ``since``: when each pollutant begins."""
    rows = connection.execute(
        _COMPLETE,
        {
            "source": source_id,
            "hours": sorted(hours),
            "names": list(since),
            "since": list(since.values()),
        },
    )
    return {row[0] for row in rows}


def waiting(connection: psycopg.Connection[Any], source_id: int) -> tuple[int, float] | None:
    """Read the first hour that waits, and the seconds since any of them changed; None: none."""
    row = connection.execute(_WAITING, (source_id,)).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def wait(
    connection: psycopg.Connection[Any], source_id: int, pollutant: str, hours: Collection[int]
) -> None:
    """Let hours wait to be formed; they changed just now."""
    connection.execute(_WAIT, {"source": source_id, "pollutant": pollutant, "hours": sorted(hours)})


def reopen(
    connection: psycopg.Connection[Any], lateness_s: Mapping[int, float], now: datetime
) -> None:
    """Let means wait that are not due at ``now``; ``lateness_s`` by source."""
    connection.execute(
        _REOPEN,
        {"sources": list(lateness_s), "lateness_s": list(lateness_s.values()), "now": now},
    )


def form(
    connection: psycopg.Connection[Any],
    source_id: int,
    hours: Collection[int],
    names: Collection[str],
    means: Sequence[tuple[str, PollutantMean]],
    why: str,
) -> tuple[int, int] | None:
    """Write all means of hours, each with its pollutant; ``why``: the reason of a new version.

    ``names``: of the source's pollutants; those without a mean in an hour have none any more.

    Returns the first and last minute at which a mean begins that changed; None: none did.
    """
    of_means = [mean for _, mean in means]
    row = connection.execute(
        _FORM,
        {
            "source": source_id,
            "hours": sorted(hours),
            "names": list(names),
            "why": why,
            "pollutants": [pollutant for pollutant, _ in means],
            "firsts": [m.first_minute for m in of_means],
            "minutes": [m.minutes for m in of_means],
            "valid": [m.valid for m in of_means],
            "verdicts": [m.verdict for m in of_means],
            "reasons": [m.reason for m in of_means],
            "covered": [m.covered_ms for m in of_means],
            "operating": [m.operating_ms for m in of_means],
            "inputs": [json.dumps(dict(m.inputs)) for m in of_means],
            "units": [m.unit for m in of_means],
            "dry": [m.dry_mg_m3 for m in of_means],
            "factors": [m.factor for m in of_means],
            "means": [m.mean_mg_m3 for m in of_means],
            "masses": [m.mass_ug for m in of_means],
            "mass_reasons": [m.mass_reason for m in of_means],
            "beyond": [m.beyond_calibration for m in of_means],
        },
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])
