"""Compute the versions that others replaced again, each as of the instant it came into force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from services.aggregator.audit.findings import Findings, Kind, Step
from services.aggregator.audit.hold import rolled_back
from services.aggregator.audit.then import Sums, Then
from services.core.store.emissions import final_hours
from services.core.store.emissions.final_hours import StoredSource, SupersededVersion

#: A tick counts what it claimed: what arrived just before it may not be among it.
_BEFORE: Final = tuple(timedelta(seconds=s) for s in (1, 10, 60, 300))

#: While there is a backlog an hour is restated with what was computed so far, then once more.
_TRANSIENT: Final = timedelta(hours=1)

_BY_RULE: Final = "a rule judged them"
_PASSING: Final = "they stood for less than an hour, while work was in progress"


def step(connection: psycopg.Connection[Any], source: StoredSource, first: int, last: int) -> Step:
    """Check the replaced versions of a source's hours from ``first`` to ``last``, both included."""
    findings = Findings(source=source)
    left_out: Counter[str] = Counter()
    with rolled_back(connection, source.facility_id):
        versions = final_hours.superseded(connection, source.source_id, first, last)
        then = Then(connection, source.source_id)
        left_out[_BY_RULE] = sum(version.code is not None for version in versions)
        differing: list[tuple[SupersededVersion, Sums]] = []
        for known_at, of_instant in _by_instant(v for v in versions if v.code is None):
            sums, unknown = then.sums_and_unknown({v.hour for v in of_instant}, known_at)
            left_out.update(unknown[v.hour] for v in of_instant if v.hour in unknown)
            differing += [
                (version, sums[version.hour])
                for version in of_instant
                if version.hour not in unknown and sums[version.hour] != version.figures
            ]
        for version, figures in differing:
            if _was_known_before(then, version):
                continue
            if version.superseded_at - version.known_at < _TRANSIENT:
                left_out[_PASSING] += 1
                continue
            findings.add(
                Kind.VERSION,
                version.hour,
                stored_ug=version.figures["co2_ug"],
                recomputed_ug=figures["co2_ug"],
                figures=tuple(
                    name for name, figure in version.figures.items() if figures[name] != figure
                ),
                detail=f"version {version.version} is not what was known at"
                f" {version.known_at:%Y-%m-%dT%H:%M:%SZ}",
            )
    return Step(
        versions=len(versions) - left_out.total(),
        versions_left_out=dict(+left_out),
        differences=tuple(findings.differences),
    )


def _was_known_before(then: Then, version: SupersededVersion) -> bool:
    return any(
        then.sums([version.hour], version.known_at - before)[version.hour] == version.figures
        for before in _BEFORE
    )


def _by_instant(
    versions: Iterable[SupersededVersion],
) -> Iterator[tuple[datetime, Sequence[SupersededVersion]]]:
    by_instant: dict[datetime, list[SupersededVersion]] = {}
    for version in versions:
        by_instant.setdefault(version.known_at, []).append(version)
    yield from by_instant.items()
