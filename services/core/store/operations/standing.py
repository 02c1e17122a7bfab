"""What stands in the registry and will surprise: told at ``tonne apply`` and in ``/readyz``.

One list in one place. Nothing of it makes totals wrong today; each says what to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection

from services.core.accounting.factor_calendar import FactorAge
from services.core.store.database.progress import RUNS
from services.core.store.operations import audits_due, calibration_ranges
from services.core.store.operations.notices import MAX_MONITORS, MAX_NOTICES

#: A factor that runs out within so many days is told beforehand.
SOON_DAYS: Final = 30

# Of one facility, None: of all; one row more than are told shows that there are more. A facility's
# own versions of a factor hide the shared ones of its name, as when it is counted.
SURPRISES: Final = f"""
WITH used AS (
    SELECT f.id, f.slug AS facility, s.slug AS source, n.name
    FROM source s JOIN facility f ON f.id = s.facility_id
    CROSS JOIN LATERAL (VALUES (s.spec->>'factor'), (s.spec->>'market_factor')) n(name)
    WHERE s.active AND s.method = 'activity' AND n.name IS NOT NULL
      AND f.slug = coalesce(%(facility)s::text, f.slug)
), versions AS (
    SELECT u.facility, u.source, u.name, x.valid_from, x.valid_to, x.basis, x.unit,
           least(x.co2_kg, x.co2e_kg) AS least_kg, x.data_year, x.successor_expected,
           (SELECT max(n.data_year) FROM factor n WHERE n.slug = u.name
            AND n.facility_id IS NULL AND n.known_to IS NULL) AS newest_year
    FROM used u JOIN factor x ON x.slug = u.name AND x.known_to IS NULL AND (
        x.facility_id = u.id OR x.facility_id IS NULL AND NOT EXISTS (
            SELECT FROM factor o
            WHERE o.facility_id = u.id AND o.slug = u.name AND o.known_to IS NULL))
), last AS (
    SELECT facility, name, string_agg(DISTINCT source, ', ' ORDER BY source) AS sources,
           max(valid_to) AS ends
    FROM versions GROUP BY facility, name HAVING bool_and(valid_to IS NOT NULL)
), negative AS (
    SELECT facility, name, string_agg(DISTINCT source, ', ' ORDER BY source) AS sources,
           min(least_kg) AS least_kg, min(unit) AS unit
    FROM versions WHERE least_kg < 0 GROUP BY facility, name
), stale AS (
    SELECT facility, name, string_agg(DISTINCT source, ', ' ORDER BY source) AS sources,
           json_build_object(
               'data_year', min(data_year), 'newest_year', max(newest_year),
               'successor_expected', min(successor_expected), 'on', current_date)::text AS age
    FROM versions
    WHERE valid_to IS NULL AND extract(year FROM current_date) > data_year
      AND (newest_year > data_year OR successor_expected < current_date)
    GROUP BY facility, name
)
(SELECT CASE WHEN ends <= current_date THEN 'factor-run-out' ELSE 'factor-runs-out' END AS code,
        facility, name, sources, CAST(ends AS text) AS figure
 FROM last WHERE ends <= current_date + {SOON_DAYS}
 UNION ALL
 SELECT 'factor-negative', facility, name, sources, least_kg || ' kg/' || unit FROM negative
 UNION ALL
 SELECT 'factor-stale', facility, name, sources, age FROM stale
 UNION ALL
 SELECT 'mail-unset', f.slug, told->>'email', NULL, NULL
 FROM facility f CROSS JOIN LATERAL jsonb_array_elements(
     CASE jsonb_typeof(f.document->'notify') WHEN 'array' THEN f.document->'notify'
          ELSE '[]' END) told
 WHERE told ? 'email' AND f.retired_at IS NULL
   AND f.slug = coalesce(%(facility)s::text, f.slug) AND EXISTS (
     SELECT FROM process_progress WHERE process = 'notify' AND state->>'mail' = 'false'
     AND {RUNS}))
ORDER BY 1, 2, 3 LIMIT {MAX_NOTICES + 1}
"""  # noqa: S608 - of constants

_SENTENCES: Final = {
    "factor-run-out": (
        "{facility}: the last version of {name} ended on {figure}, since then {sources} is unknown;"
        " add a version that is in force"
    ),
    "factor-runs-out": (
        "{facility}: the last version of {name} ends on {figure}, from then on {sources} is"
        " unknown; add the next version"
    ),
    "factor-negative": (
        "{facility}: {name} is negative ({figure}), so that {sources} lowers the totals; if that is"
        " not meant, correct the factor"
    ),
    "factor-stale": (
        "{facility}: {sources} counts by {figure}; take the newer figure from where"
        " this one is: the facility file, `tonne factors import` or a newer release of tonne"
    ),
    "mail-unset": (
        "{facility}: alerts go to {name}, and no mail can be sent; set TONNE_SMTP_URL where the"
        " notifier runs"
    ),
}


def sentences(rows: Iterable[Sequence[Any]]) -> list[tuple[str, str, str]]:
    """Return code, facility and sentence of each row of :data:`SURPRISES`."""
    return [
        (
            code,
            facility,
            _SENTENCES[code].format(
                facility=facility,
                name=name,
                sources=sources,
                figure=_stale(name, figure) if code == "factor-stale" else figure,
            ),
        )
        for code, facility, name, sources, figure in rows
    ]


def _stale(name: str, age: str) -> str | None:
    """Say of which year a factor is and what follows it; ``age``: JSON of :data:`SURPRISES`."""
    stated = json.loads(age)
    due = stated["successor_expected"]
    return FactorAge(
        data_year=stated["data_year"],
        newest_year=stated["newest_year"],
        successor_expected=None if due is None else date.fromisoformat(due),
        called=name,
    ).stale(date.fromisoformat(stated["on"]))


def at_apply(connection: Connection, facility: str) -> list[str]:
    """Return what is told of a facility whose file was just applied.

    That a factor ends is told of the file itself, whenever it does
    (:func:`services.core.facility.checks.warnings`).
    """
    now = datetime.now(UTC)
    surprises = sentences(connection.exec_driver_sql(SURPRISES, {"facility": facility}))
    due = [
        *audits_due.sentences(
            connection.exec_driver_sql(
                audits_due.MONITORS, {"facility": facility, "monitors": MAX_MONITORS}
            ),
            now,
        ),
        *calibration_ranges.sentences(
            connection.exec_driver_sql(
                calibration_ranges.MONITORS,
                {"facility": facility, "now": now, "monitors": MAX_MONITORS},
            ),
            now,
        ),
    ]
    warnings = [
        sentence for code, _, sentence in (*surprises, *due) if not code.startswith("factor-run")
    ]
    if len(surprises) > MAX_NOTICES:
        warnings.append(
            f"{facility}: there are more than {MAX_NOTICES} warnings of factors and recipients;"
            " correct these and apply again"
        )
    return warnings
