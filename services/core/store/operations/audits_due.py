"""Audits of stack monitors that are due soon, in their grace period or expired, and what helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.core.accounting.stack.audits import Audit
from services.core.accounting.stack.deadlines import (
    GRACE_HOURS,
    NAMES,
    OperatingHours,
    Term,
    terms,
)
from services.core.facility import assemble_closing, model
from services.core.store.operations.notices import not_looked_at

#: An audit that is due within so many days is told beforehand.
SOON_DAYS: Final = 30

#: Monitors whose audits have deadlines, with the hours in which their unit stood still; of one
#: ``facility``, None: of all. A last row counts those beyond ``monitors``.
MONITORS: Final = """
WITH monitor AS MATERIALIZED (
    SELECT f.slug AS facility, f.timezone, d.slug || '.' || c.slug AS name,
           coalesce((SELECT x.role FROM jsonb_each(s.spec->'derived_inputs') AS x(role, part)
                     WHERE x.part->'inputs' ? i.role LIMIT 1), i.role) AS role, c.spec,
           s.id AS source_id, s.spec->>'operating' IS NOT NULL AS has_operating,
           count(*) OVER () AS of_all
    FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
    JOIN source_input i ON i.channel_id = c.id JOIN source s ON s.id = i.source_id
    WHERE c.spec->>'audit_deadlines' IS NOT NULL AND c.spec->>'audits' IS NOT NULL
      AND s.active AND f.retired_at IS NULL AND f.slug = coalesce(%(facility)s::text, f.slug)
      AND (s.spec->>'validity' <> 'none' OR s.spec->>'substitution' <> 'none')
    ORDER BY 1, 3, 4 LIMIT %(monitors)s
), idle AS MATERIALIZED (
    SELECT h.source_id, array_agg(DISTINCT minute_of(h.hour) / 60
                                  ORDER BY minute_of(h.hour) / 60) AS hours
    FROM source_hour_input h
    WHERE h.operating_ms = 0
      AND h.source_id IN (SELECT source_id FROM monitor WHERE has_operating)
    GROUP BY 1
)
SELECT m.facility, m.timezone, m.name, m.role, m.spec, coalesce(idle.hours, '{}')
FROM monitor m LEFT JOIN idle USING (source_id)
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, ARRAY[max(of_all) - %(monitors)s]::int4[]
FROM monitor HAVING max(of_all) > %(monitors)s
ORDER BY 1, 3, 4
"""


def sentences(rows: Iterable[Sequence[Any]], now: datetime) -> list[tuple[str, str, str]]:
    """Return code, facility and sentence of each audit that asks for something ``now``."""
    hour = int(now.timestamp()) // 3600
    notices: dict[tuple[str, str, str], None] = {}
    for row in rows:
        facility, _, name, _, _, idle = row
        if facility is None:
            notices["more-notices", "", not_looked_at(idle[0], "deadlines of audits")] = None
            continue
        for _, term in newest_audits(row):
            if term is not None and (code := audit_code(term, hour)):
                notices[code, facility, f"{facility}: {_sentence(name, term, code)}"] = None
    return list(notices)


def newest_audits(row: Sequence[Any]) -> list[tuple[Audit, Term | None]]:
    """Return the newest audit of each kind, of a row of MONITORS, and how long it is vouched for.

    By the newest that was passed; None: none of the kind was, or another kind stands for it.
    """
    _, timezone, _, role, spec, idle = row
    if not model.enters(role):
        return []
    audits = assemble_closing.audits(model.Channel.model_validate(spec), role)
    of_channel = terms(audits, operating=OperatingHours(idle=idle), zone=ZoneInfo(timezone))
    vouched = {term.kind: term for term in of_channel}
    newest = {audit.kind: audit for audit in sorted(audits, key=lambda audit: audit.ts_us)}
    return [(audit, vouched.get(kind)) for kind, audit in newest.items()]


def audit_code(term: Term, hour: int) -> str:
    """Return the code of the notice that an audit asks for in an hour; empty: nothing is due."""
    if hour >= term.expires:
        return "audit-expired"
    if hour >= term.grace_from:
        return "audit-in-grace"
    return "audit-due" if hour >= term.grace_from - 24 * SOON_DAYS else ""


def _sentence(name: str, term: Term, code: str) -> str:
    grace = f"its grace period of {GRACE_HOURS[term.kind]} operating hours"
    due = f"{datetime.fromtimestamp(term.grace_from * 3600, UTC):%Y-%m-%dT%H:%MZ}"
    if code == "audit-expired":
        return (
            f"the {NAMES[term.kind]} of {name} was due before {due} and {grace} is over, since"
            " then its data do not count; state the next passed one among its audits"
        )
    if code == "audit-in-grace":
        return (
            f"the {NAMES[term.kind]} of {name} was due before {due}; {grace} is running, after it"
            " data do not count; state the next passed one among its audits"
        )
    return f"the {NAMES[term.kind]} of {name} is due before {due}; then {grace} begins"
