"""What stands above the tables of a report that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.core.accounting.emission_report.record import EmissionReport
from services.core.accounting.emission_report.remarks import remarks
from services.core.accounting.emission_report.words import Words
from services.core.accounting.emission_report.words import marked as _

_UTC = ZoneInfo("UTC")
#: Facilities that a heading names; a table has all of them.
_MAX_NAMED = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A title, facts by name, and remarks, warnings first."""

    title: str
    #: that instants are written in
    zone: ZoneInfo
    facts: Sequence[tuple[str, str]]
    #: whether it is a warning, and its sentence
    remarks: Sequence[tuple[bool, str]]


def heading(report: EmissionReport, words: Words) -> Heading:
    """Return the heading; instants are in the time zone of the facilities, or in UTC."""
    zones = {facility.timezone for facility in report.facilities}
    zone = ZoneInfo(zones.pop()) if len(zones) == 1 else _UTC
    who = report.name or report.subject or words(_("All facilities"))
    named = [f"{facility.name} ({facility.id})" for facility in report.facilities[:_MAX_NAMED]]
    if len(report.facilities) > _MAX_NAMED:
        named.append(words(_("and {count} more"), count=len(report.facilities) - _MAX_NAMED))
    facts = [
        (words(_("Facilities")), ", ".join(named)),
        (words(_("Period")), str(report.period)),
        (words(_("Begins")), _bound(report, zone, is_end=False)),
        (words(_("Ends")), _bound(report, zone, is_end=True)),
        (words(_("Time zone")), zone.key),
        (words(_("As known at")), written(report.known_at, zone)),
        (words(_("State")), words(_("final") if report.is_final else "provisional")),
    ]
    if len(report.facilities) == 1:
        digest = report.facilities[0].configuration
        facts.append((words(_("SHA-256 of its file")), digest or words(_("unknown"))))
    return Heading(
        title=words(_("Emissions of {who}, {period}"), who=who, period=str(report.period)),
        zone=zone,
        facts=facts,
        remarks=[
            (remark.level == "warning", words(remark.text, **remark.values))
            for remark in remarks(report)
        ],
    )


def _bound(report: EmissionReport, zone: ZoneInfo, *, is_end: bool) -> str:
    bounds = [f.ends if is_end else f.begins for f in report.facilities]
    if not bounds:
        return ""
    return written(max(bounds) if is_end else min(bounds), zone)


def written(instant: datetime, zone: ZoneInfo) -> str:
    """Write an instant to the minute in a time zone, with its offset."""
    return instant.astimezone(zone).isoformat(sep=" ", timespec="minutes")
