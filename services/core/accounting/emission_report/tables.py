"""The record of a report as tables: what JSON, CSV, workbooks and pages of a PDF have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from services.core.accounting.emission_report.record import EmissionReport, Figures, Masses

#: What a cell holds. ``kg`` is a mass, ``share`` a part of 1.
CellKind = Literal["word", "text", "count", "kg", "share", "number", "instant", "day", "flag"]
Cell = str | int | float | date | datetime | None

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
        heading="State",
        kind="word",
        value=lambda row: "final" if is_final(row) else "provisional",
    )


_NO_BAND: Final = "not every meter and factor states its uncertainty"

_FIGURES: Final = (
    _mass("co2_kg", "CO2 (kg)", lambda masses: masses.co2_ug),
    _mass("co2e_kg", "CO2e (kg)", lambda masses: masses.co2e_ug),
    _mass("co2_biogenic_kg", "Biogenic CO2 (kg)", lambda masses: masses.biogenic_ug),
    _mass("co2_market_kg", "CO2, market-based (kg)", lambda masses: masses.market_based_ug),
    _figure("co2_low_kg", "CO2, at least (kg)", "kg", lambda f: f.low_kg, _NO_BAND),
    _figure("co2_high_kg", "CO2, at most (kg)", "kg", lambda f: f.high_kg, _NO_BAND),
    _figure("coverage", "Coverage", "share", lambda f: f.coverage),
    _figure("share_measured", "Measured", "share", lambda f: f.measured),
    _figure("share_substituted", "Substituted", "share", lambda f: f.substituted),
    _figure("share_estimated", "Estimated", "share", lambda f: f.estimated),
    _figure("share_missing", "Missing", "share", lambda f: f.missing),
    _figure("quality", "Quality", "word", lambda f: f.quality),
    _state("state", lambda row: row.figures.is_final),
)

_FACILITY: Final = _plain("facility", "Facility")
_SOURCE: Final = _plain("source", "Source")
_BEGINS: Final = _plain("begins", "Begins", "instant")
_ENDS: Final = _plain("ends", "Ends", "instant")

LAYOUTS: Final = (
    Layout(
        key="totals",
        title="Totals",
        rows=lambda report: report.totals,
        columns=(
            _plain("facility", "Facility", null="all facilities of the report"),
            _plain("scope", "Scope", "count", null="all scopes"),
            _plain("sources", "Sources", "count"),
            *_FIGURES,
        ),
    ),
    Layout(
        key="sources",
        title="Sources",
        rows=lambda report: report.sources,
        columns=(
            _FACILITY,
            Column(key="source", heading="Source", kind="word", value=lambda row: row.id),
            _plain("name", "Name", "text"),
            _plain("scope", "Scope", "count"),
            _plain("standing", "In totals"),
            *_FIGURES,
            _number("activity", "Activity", "it has none, or nothing is known"),
            _plain("activity_unit", "Unit", null="it has no activity"),
            _plain("voided_hours", "Invalid hours", "count"),
            _plain("unknown", "Unknown, because", "text", null="it is known"),
            _plain("stale_factor", "Stale factor", "text", null="nothing says that it is stale"),
        ),
    ),
    Layout(
        key="months",
        title="Months",
        rows=lambda report: report.months,
        columns=(_FACILITY, _plain("month", "Month"), _BEGINS, *_FIGURES),
    ),
    Layout(
        key="removals",
        title="Removals and credits",
        rows=lambda report: report.beside,
        columns=(
            _FACILITY,
            _plain("id", "Entry"),
            _plain("origin", "Origin"),
            _plain("kind", "Kind"),
            _plain("scope", "Scope", "count"),
            _plain("kg", "Amount (kg)", "kg", null="unknown"),
            _plain("stored_fossil_kg", "Fossil CO2 stored (kg)", "kg", null="it is not measured"),
            _plain("coverage", "Coverage", "share", null="it is not measured"),
            _plain("document", "Document", "text"),
        ),
    ),
    Layout(
        key="rules",
        title="By the rules",
        rows=lambda report: report.rules,
        columns=(
            _FACILITY,
            _SOURCE,
            _plain("period", "Period"),
            _BEGINS,
            _ENDS,
            _plain("reporting_zone", "Time"),
            _plain("equation", "Equation"),
            _number("value", "Reported", "it cannot be computed, as the reason says"),
            _plain("unit", "Unit"),
            _number("unrounded", "Unrounded", "it cannot be computed"),
            _number("operating_h", "Operating hours", None),
            _plain("hours_waiting", "Open hours", "count"),
            _state("state", lambda row: row.is_final),
            _plain("reason", "Reason", "text", null="it can be computed"),
            _plain("citation", "Rule", "text"),
        ),
    ),
    Layout(
        key="methods",
        title="Methods",
        rows=lambda report: report.methods,
        columns=(
            _FACILITY,
            _SOURCE,
            _plain("method", "Method"),
            _plain("equation", "Equation", null="it multiplies an activity by a factor"),
            _plain("factor", "Factor", null="it is computed by an equation"),
            _plain("market_factor", "Market-based factor", null="it has none of its own"),
            _plain("gwp", "Warming potentials", null="none enters"),
            _plain("validity", "Validity", null="no rule judges its hours"),
            _plain("substitution", "Substitution", null="no rule fills its hours"),
            _plain("channels", "Channels", "text"),
            _plain("citation", "Rule", "text", null="it multiplies an activity by a factor"),
        ),
    ),
    Layout(
        key="factors",
        title="Factors",
        rows=lambda report: report.factors,
        columns=(
            _FACILITY,
            _plain("id", "Factor"),
            _plain("sources", "Sources", "text"),
            _plain("unit", "Per unit"),
            _plain("co2_kg", "kg CO2", "number", null="only CO2e is published"),
            _plain("co2e_kg", "kg CO2e", "number", null="it follows from the gases"),
            _plain("biogenic_kg", "kg biogenic CO2", "number"),
            _plain("uncertainty_percent", "Uncertainty (%)", "number", null="it is not stated"),
            _plain("valid_from", "Valid from", "day", null="always"),
            _plain("valid_to", "Valid until before", "day", null="until further notice"),
            _plain("known_from", "Known from", "instant"),
            _plain("data_year", "Data of", "count", null="it is not stated"),
            _plain("release", "Release", "text"),
            _plain("citation", "Citation", "text"),
        ),
    ),
    Layout(
        key="restatements",
        title="Restatements",
        rows=lambda report: report.restatements,
        columns=(
            _FACILITY,
            _SOURCE,
            _plain("reason", "Reason"),
            _plain("cause", "Cause", "text", null="the reason says it"),
            _plain("changes", "Changes", "count"),
            _plain("first_hour", "First hour", "instant"),
            _plain("last_hour", "Last hour", "instant"),
            _plain("first_known_at", "First known", "instant"),
            _plain("last_known_at", "Last known", "instant"),
            _difference("difference_kg", "CO2, new less old (kg)", lambda m: m.co2_ug),
            _difference("difference_co2e_kg", "CO2e, new less old (kg)", lambda m: m.co2e_ug),
            _difference(
                "difference_biogenic_kg", "Biogenic, new less old (kg)", lambda m: m.biogenic_ug
            ),
            _difference(
                "difference_market_kg",
                "Market-based, new less old (kg)",
                lambda m: m.market_based_ug,
            ),
        ),
    ),
    Layout(
        key="facilities",
        title="Facilities",
        rows=lambda report: report.facilities,
        columns=(
            Column(key="facility", heading="Facility", kind="word", value=lambda row: row.id),
            _plain("name", "Name", "text"),
            _plain("timezone", "Time zone"),
            _BEGINS,
            _ENDS,
            _plain("retired_at", "Retired", "instant", null="it is in force"),
            _plain("configured_at", "Configured", "instant", null="the file was not kept"),
            _plain("configuration", "SHA-256 of its file", "text", null="the file was not kept"),
        ),
    ),
)
