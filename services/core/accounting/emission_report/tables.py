"""The record of a report as tables: what JSON, CSV, workbooks and pages of a PDF have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from services.core.accounting.emission_report.record import EmissionReport, Figures, Masses
from services.core.accounting.emission_report.words import marked as _

#: What a cell holds. A ``code`` is one of :data:`CODES`, ``kg`` is a mass, ``share`` a part of 1.
CellKind = Literal[
    "word", "code", "text", "count", "kg", "share", "number", "instant", "day", "flag"
]
Cell = str | int | float | date | datetime | None

#: The words of cells that are codes; JSON and CSV have them as they are.
CODES: Final = (
    _("counts"), _("check"), _("replaced"), _("removes"), _("final"), _("provisional"),
    _("measured"), _("estimated"), _("substituted"), _("partial"), _("missing"), _("stated"),
    _("credit"), _("dac"), _("biogenic"), _("ccs"), _("removal"), _("avoidance"), _("standard"),
    _("local"),
)  # fmt: skip

UG_PER_KG: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, and its heading where people read it."""

    key: str
    heading: str
    kind: CellKind
    #: of a record's row
    value: Callable[[Any], Cell]
    #: what null means; None: it is never null
    null: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A table of every report."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[EmissionReport], Iterable[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of one report."""

    layout: Layout
    rows: Sequence[Sequence[Cell]]


def kg(micrograms: int) -> float:
    """Convert micrograms to kilograms, to the float that every answer has."""
    return micrograms / UG_PER_KG


def tables(report: EmissionReport) -> list[Table]:
    """Return all tables, also those without rows."""
    return [table(report, layout) for layout in LAYOUTS]


def table(report: EmissionReport, layout: Layout) -> Table:
    """Return one table."""
    return Table(
        layout=layout,
        rows=[[column.value(row) for column in layout.columns] for row in layout.rows(report)],
    )


def _plain(key: str, heading: str, kind: CellKind = "word", null: str | None = None) -> Column:
    return Column(
        key=key, heading=heading, kind=kind, null=null, value=lambda row: getattr(row, key)
    )


def _number(key: str, heading: str, null: str | None) -> Column:
    def value(row: Any) -> float | None:
        number = getattr(row, key)
        return None if number is None else float(number)

    return Column(key=key, heading=heading, kind="number", null=null, value=value)


def _mass(key: str, heading: str, micrograms: Callable[[Masses], int]) -> Column:
    def value(row: Any) -> float | None:
        masses = row.figures.masses
        return None if masses is None else kg(micrograms(masses))

    return Column(key=key, heading=heading, kind="kg", null="unknown", value=value)


def _difference(key: str, heading: str, micrograms: Callable[[Masses], int]) -> Column:
    return Column(
        key=key, heading=heading, kind="kg", value=lambda row: kg(micrograms(row.difference))
    )


def _figure(
    key: str,
    heading: str,
    kind: CellKind,
    value: Callable[[Figures], Cell],
    null: str | None = None,
) -> Column:
    return Column(
        key=key, heading=heading, kind=kind, null=null, value=lambda row: value(row.figures)
    )


def _state(key: str, is_final: Callable[[Any], bool]) -> Column:
    return Column(
        key=key,
        heading=_("State"),
        kind="code",
        value=lambda row: "final" if is_final(row) else "provisional",
    )


_NO_BAND: Final = "not every meter and factor states its uncertainty"

_FIGURES: Final = (
    _mass("co2_kg", _("CO2 (kg)"), lambda masses: masses.co2_ug),
    _mass("co2e_kg", _("CO2e (kg)"), lambda masses: masses.co2e_ug),
    _mass("co2_biogenic_kg", _("Biogenic CO2 (kg)"), lambda masses: masses.biogenic_ug),
    _mass("co2_market_kg", _("CO2, market-based (kg)"), lambda masses: masses.market_based_ug),
    _figure("co2_low_kg", _("CO2, at least (kg)"), "kg", lambda f: f.low_kg, _NO_BAND),
    _figure("co2_high_kg", _("CO2, at most (kg)"), "kg", lambda f: f.high_kg, _NO_BAND),
    _figure("coverage", _("Coverage"), "share", lambda f: f.coverage),
    _figure("share_measured", _("Measured"), "share", lambda f: f.measured),
    _figure("share_substituted", _("Substituted"), "share", lambda f: f.substituted),
    _figure("share_estimated", _("Estimated"), "share", lambda f: f.estimated),
    _figure("share_missing", _("Missing"), "share", lambda f: f.missing),
    _figure("quality", _("Quality"), "code", lambda f: f.quality),
    _state("state", lambda row: row.figures.is_final),
)

_FACILITY: Final = _plain("facility", _("Facility"))
_SOURCE: Final = _plain("source", _("Source"))
_BEGINS: Final = _plain("begins", _("Begins"), "instant")
_ENDS: Final = _plain("ends", _("Ends"), "instant")

LAYOUTS: Final = (
    Layout(
        key="totals",
        title=_("Totals"),
        rows=lambda report: report.totals,
        columns=(
            _plain("facility", _("Facility"), null="all facilities of the report"),
            _plain("scope", _("Scope"), "count", null="all scopes"),
            _plain("sources", _("Sources"), "count"),
            *_FIGURES,
        ),
    ),
    Layout(
        key="sources",
        title=_("Sources"),
        rows=lambda report: report.sources,
        columns=(
            _FACILITY,
            Column(key="source", heading=_("Source"), kind="word", value=lambda row: row.id),
            _plain("name", _("Name"), "text"),
            _plain("scope", _("Scope"), "count"),
            _plain("standing", _("In totals"), "code"),
            *_FIGURES,
            _number("activity", _("Activity"), "it has none, or nothing is known"),
            _plain("activity_unit", _("Unit"), null="it has no activity"),
            _plain("voided_hours", _("Invalid hours"), "count"),
            _plain("unknown", _("Unknown, because"), "text", null="it is known"),
            _plain("stale_factor", _("Stale factor"), "text", null="nothing says that it is stale"),
        ),
    ),
    Layout(
        key="months",
        title=_("Months"),
        rows=lambda report: report.months,
        columns=(_FACILITY, _plain("month", _("Month")), _BEGINS, *_FIGURES),
    ),
    Layout(
        key="removals",
        title=_("Removals and credits"),
        rows=lambda report: report.beside,
        columns=(
            _FACILITY,
            _plain("id", _("Entry")),
            _plain("origin", _("Origin"), "code"),
            _plain("kind", _("Kind"), "code"),
            _plain("scope", _("Scope"), "count"),
            _plain("kg", _("Amount (kg)"), "kg", null="unknown"),
            _plain(
                "stored_fossil_kg", _("Fossil CO2 stored (kg)"), "kg", null="it is not measured"
            ),
            _plain("coverage", _("Coverage"), "share", null="it is not measured"),
            _plain("document", _("Document"), "text"),
        ),
    ),
    Layout(
        key="rules",
        title=_("By the rules"),
        rows=lambda report: report.rules,
        columns=(
            _FACILITY,
            _SOURCE,
            _plain("period", _("Period")),
            _BEGINS,
            _ENDS,
            _plain("reporting_zone", _("Time"), "code"),
            _plain("equation", _("Equation")),
            _number("value", _("Reported"), "it cannot be computed, as the reason says"),
            _plain("unit", _("Unit")),
            _number("unrounded", _("Unrounded"), "it cannot be computed"),
            _number("operating_h", _("Operating hours"), None),
            _plain("hours_waiting", _("Open hours"), "count"),
            _state("state", lambda row: row.is_final),
            _plain("reason", _("Reason"), "text", null="it can be computed"),
            _plain("citation", _("Rule"), "text"),
        ),
    ),
    Layout(
        key="methods",
        title=_("Methods"),
        rows=lambda report: report.methods,
        columns=(
            _FACILITY,
            _SOURCE,
            _plain("method", _("Method")),
            _plain("equation", _("Equation"), null="it multiplies an activity by a factor"),
            _plain("factor", _("Factor"), null="it is computed by an equation"),
            _plain("market_factor", _("Market-based factor"), null="it has none of its own"),
            _plain("gwp", _("Warming potentials"), null="none enters"),
            _plain("validity", _("Validity"), null="no rule judges its hours"),
            _plain("substitution", _("Substitution"), null="no rule fills its hours"),
            _plain("channels", _("Channels"), "text"),
            _plain("citation", _("Rule"), "text", null="it multiplies an activity by a factor"),
        ),
    ),
    Layout(
        key="factors",
        title=_("Factors"),
        rows=lambda report: report.factors,
        columns=(
            _FACILITY,
            _plain("id", _("Factor")),
            _plain("sources", _("Sources"), "text"),
            _plain("unit", _("Per unit")),
            _plain("co2_kg", _("kg CO2"), "number", null="only CO2e is published"),
            _plain("co2e_kg", _("kg CO2e"), "number", null="it follows from the gases"),
            _plain("biogenic_kg", _("kg biogenic CO2"), "number"),
            _plain("uncertainty_percent", _("Uncertainty (%)"), "number", null="it is not stated"),
            _plain("valid_from", _("Valid from"), "day", null="always"),
            _plain("valid_to", _("Valid until before"), "day", null="until further notice"),
            _plain("known_from", _("Known from"), "instant"),
            _plain("data_year", _("Data of"), "count", null="it is not stated"),
            _plain("release", _("Release"), "text"),
            _plain("citation", _("Citation"), "text"),
        ),
    ),
    Layout(
        key="restatements",
        title=_("Restatements"),
        rows=lambda report: report.restatements,
        columns=(
            _FACILITY,
            _SOURCE,
            _plain("reason", _("Reason")),
            _plain("cause", _("Cause"), "text", null="the reason says it"),
            _plain("changes", _("Changes"), "count"),
            _plain("first_hour", _("First hour"), "instant"),
            _plain("last_hour", _("Last hour"), "instant"),
            _plain("first_known_at", _("First known"), "instant"),
            _plain("last_known_at", _("Last known"), "instant"),
            _difference("difference_kg", _("CO2, new less old (kg)"), lambda m: m.co2_ug),
            _difference("difference_co2e_kg", _("CO2e, new less old (kg)"), lambda m: m.co2e_ug),
            _difference(
                "difference_biogenic_kg", _("Biogenic, new less old (kg)"), lambda m: m.biogenic_ug
            ),
            _difference(
                "difference_market_kg",
                _("Market-based, new less old (kg)"),
                lambda m: m.market_based_ug,
            ),
        ),
    ),
    Layout(
        key="facilities",
        title=_("Facilities"),
        rows=lambda report: report.facilities,
        columns=(
            Column(key="facility", heading=_("Facility"), kind="word", value=lambda row: row.id),
            _plain("name", _("Name"), "text"),
            _plain("timezone", _("Time zone")),
            _BEGINS,
            _ENDS,
            _plain("retired_at", _("Retired"), "instant", null="it is in force"),
            _plain("configured_at", _("Configured"), "instant", null="the file was not kept"),
            _plain("configuration", _("SHA-256 of its file"), "text", null="the file was not kept"),
        ),
    ),
)
