"""What a report says in words: what is not final, what is missing, and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from services.core.accounting.emission_report.record import EmissionReport, SourceTotal, Total
from services.core.accounting.emission_report.tables import kg
from services.core.accounting.emission_report.words import marked as _
from services.core.timeline.instants import rfc3339

#: Sources, each with its reason, that a report names; tables have all of them.
_MAX_NAMED: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One sentence; ``text`` has its values in braces, and is what translations go by."""

    #: a warning changes how figures are to be read
    level: Literal["warning", "note"]
    text: str
    values: dict[str, str | int | float] = field(default_factory=dict)


def remarks(report: EmissionReport) -> list[Remark]:
    """Return what has to be said of a report, warnings first."""
    all_remarks = [
        *_state(report),
        *_gaps(report),
        *_sources(report),
        *_restated(report),
        *_reading(report),
    ]
    return sorted(all_remarks, key=lambda remark: remark.level != "warning")


def _warning(text: str, **values: str | int | float) -> Remark:
    return Remark(level="warning", text=text, values=values)


def _note(text: str, **values: str | int | float) -> Remark:
    return Remark(level="note", text=text, values=values)


def _whole(report: EmissionReport) -> Total | None:
    return next((total for total in report.totals if total.scope is None), None)


def _state(report: EmissionReport) -> Iterator[Remark]:
    if not report.sources:
        yield _warning(_("Nothing is known of this period: no source has an hour in it."))
    if not report.is_over:
        ends = max(facility.ends for facility in report.facilities)
        yield _warning(
            _("The period is not over before {ends}: all of its figures are provisional."),
            ends=rfc3339(ends),
        )
        return
    open_sources = sum(not source.figures.is_final for source in report.sources)
    if open_sources:
        yield _warning(
            _(
                "{open} of {all} sources are provisional: some of their hours are not final, or"
                " were never computed."
            ),
            open=open_sources,
            all=len(report.sources),
        )
    elif report.sources:
        yield _note(_("All hours of the period are final. A final hour can still be restated."))


def _percent(share: float) -> str:
    """Return a share that is not 0 so that it does not look like 0, or one that is not 1 like 1."""
    percent = f"{100 * share:.2f}"
    return {"0.00": "< 0.01", "100.00": "100" if share >= 1 else "> 99.99"}.get(percent, percent)


def _gaps(report: EmissionReport) -> Iterator[Remark]:
    whole = _whole(report)
    if whole is None:
        return
    figures = whole.figures
    if figures.missing > 0:
        yield _warning(
            _(
                "{percent} % of the time of the sources is unknown. It is in no figure: the totals"
                " are of what is known."
            ),
            percent=_percent(figures.missing),
        )
    if figures.substituted > 0:
        yield _warning(
            _("{percent} % of the time of the sources was filled as their rules say."),
            percent=_percent(figures.substituted),
        )
    if figures.estimated > 0:
        yield _warning(
            _(
                "{percent} % of the time of the sources is estimated: spread between distant"
                " readings, or from uncertain ones."
            ),
            percent=_percent(figures.estimated),
        )
    if figures.low_kg is None:
        yield _note(
            _("No uncertainty is stated of the total: not every meter and factor states its own.")
        )


def _sources(report: EmissionReport) -> Iterator[Remark]:
    yield from _named(
        [source for source in report.sources if source.voided_hours],
        lambda source: _warning(
            _("{source}: {hours} hours were found invalid by its rule and were not filled."),
            source=_name(source),
            hours=source.voided_hours,
        ),
    )
    yield from _named(
        [source for source in report.sources if source.unknown],
        lambda source: _warning(
            _("{source}: {reason}."), source=_name(source), reason=str(source.unknown)
        ),
    )
    yield from _named(
        [source for source in report.sources if source.stale_factor],
        lambda source: _warning(
            _("{source} should count by a newer factor: {reason}."),
            source=_name(source),
            reason=str(source.stale_factor),
        ),
    )
    for standing, text in (
        ("check", _("{sources} only check other sources and are in no total.")),
        (
            "replaced",
            _("{sources} are retired, others count their readings: they are in no total."),
        ),
    ):
        names = [_name(source) for source in report.sources if source.standing == standing]
        if names:
            yield _note(text, sources=", ".join(names[:_MAX_NAMED]))


def _named(sources: list[SourceTotal], remark: Callable[[SourceTotal], Remark]) -> Iterator[Remark]:
    for source in sources[:_MAX_NAMED]:
        yield remark(source)
    if len(sources) > _MAX_NAMED:
        yield _warning(
            _("The same is true of {count} more sources: see the table."),
            count=len(sources) - _MAX_NAMED,
        )


def _name(source: SourceTotal) -> str:
    return f"{source.facility}/{source.id}"


def _restated(report: EmissionReport) -> Iterator[Remark]:
    changes = sum(restated.changes for restated in report.restatements)
    values = {} if report.since is None else {"since": rfc3339(report.since)}
    if not changes:
        text = _("No closed hour of the period changed after the period was over.")
        if values:
            text = _("No closed hour of the period changed since {since}.")
        yield _note(text, **values)
        return
    text = _(
        "Closed hours of the period changed {changes} times after the period was over, by"
        " {difference_kg} kg CO2 together."
    )
    if values:
        text = _(
            "Closed hours of the period changed {changes} times since {since}, by {difference_kg}"
            " kg CO2 together."
        )
    yield _warning(
        text,
        changes=changes,
        **values,
        difference_kg=f"{kg(sum(r.difference.co2_ug for r in report.restatements)):+.3f}",
    )


def _reading(report: EmissionReport) -> Iterator[Remark]:
    yield _note(
        _(
            "Scope 2 is location-based in CO2 and CO2e; what contracts make of it is market-based,"
            " in a column of its own. Biogenic CO2 is in no other figure."
        )
    )
    if report.beside:
        yield _note(_("Removals and credits are deducted from nothing."))
    if report.period.kind == "month" and any(m.validity for m in report.methods):
        yield _note(
            _(
                "Stacks under a rule are reported by quarter and year: a month has no total in the"
                " rule's own unit and rounding."
            )
        )
    if any(facility.configuration is None for facility in report.facilities):
        yield _note(_("The file that a facility had then was not kept."))
