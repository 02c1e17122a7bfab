"""The figures of a total, each named once: what it is, and which tables hold it.

A figure is a whole number of a minute, which the hours and windows that hold the minute add up:
integer sums are exact, so no order of addition can change a total. The tables, the SQL of every
statement about totals, the records that pass between the services and the masses of answers follow
from this list; the recipe for one more figure is in CONTRIBUTING.md.

It stands with the schema, below all that reads or writes totals, for the tables are made of it. The
accounting that computes masses knows no column: it names them in kilograms (``in_kg``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, LiteralString

#: Micrograms, in which masses are stored, of a kilogram, in which they are told.
UG_PER_KG: Final = 1_000_000_000

#: Integer type of a figure in minutes and hours, by unit: micrograms, 1e-9 of the source's activity
#: unit, milliseconds.
_TYPES: Final[dict[str, LiteralString]] = {"ug": "int8", "n": "int8", "ms": "int4"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One column of minutes, and of the hours and windows that add it up."""

    name: LiteralString
    unit: Literal["ug", "n", "ms"]
    #: what the comment on the minute's column says; None: nothing that its name does not say
    comment: str | None = None
    #: emission_hour and emission_hour_history have it
    in_hours: bool = True
    #: rolling_total has it
    in_windows: bool = True
    #: NULL where the source has no such thing
    nullable: bool = False
    #: it was kept later than the others: rows from before say 0
    later: bool = False
    #: closing an hour sets it; it is not computed from readings
    set_by_closing: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def type(self) -> LiteralString:
        """Return its type in minutes and hours."""
        return _TYPES[self.unit]

    @property
    def window_cast(self) -> LiteralString:
        """Return the cast from a sum to its type in windows; there only a time has bounds."""
        return "::int8" if self.unit == "ms" else ""

    @property
    def added(self) -> LiteralString:
        """Return the SQL of what closing the hour added to it in the minute ``m``."""
        return "0"

    @property
    def closed(self) -> LiteralString:
        """Return the SQL of what it is in the minute ``m``, with what closing the hour added."""
        return f"m.{self.name}" if self.added == "0" else f"m.{self.name} + {self.added}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mass(Figure):
    """A mass: micrograms, made of the method's kilograms and shown in kilograms."""

    unit: Literal["ug", "n", "ms"] = "ug"
    #: as the method names it, and per unit of activity as a factor does
    in_kg: LiteralString
    #: its key in answers
    answer: str
    #: the minute's column with what closing its hour added to it; None: closing adds nothing
    closing: LiteralString | None = "closing_ug"

    @property
    def stem(self) -> str:
        """Return its name without a unit, as thresholds have it in ``figure``."""
        return self.in_kg.removesuffix("_kg")

    @property
    def added(self) -> LiteralString:
        """Return the SQL of what closing the hour added to it in the minute ``m``."""
        return "0" if self.closing is None else f"m.{self.closing}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Time(Figure):
    """A time: milliseconds of the minute, shown as a share of the time that a total covers."""

    unit: Literal["ug", "n", "ms"] = "ms"
    #: as the method names it, in microseconds; None: closing an hour sets it
    in_us: LiteralString | None = None
    #: its name among the shares of answers; None: it is none of them
    share: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount(Figure):
    """An amount of activity: billionths of the source's activity unit."""

    unit: Literal["ug", "n", "ms"] = "n"
    #: its key in answers about windows; it is energy there, in kWh, for sources of one window may
    #: have units of their own. None: windows have none
    window_kwh: str | None = None


#: The mass beside ``co2_ug``: both together are all the CO2 that leaves a stack.
FROM_BIOMASS: Final[LiteralString] = "co2_biogenic_ug"

#: Masses in the order in which statements, records and answers have them, CO2 first.
MASSES: Final = (
    Mass(name="co2_ug", in_kg="co2_kg", answer="co2_kg"),
    Mass(name="co2e_ug", in_kg="co2e_kg", answer="co2e_kg"),
    Mass(
        name="market_ug",
        in_kg="market_kg",
        answer="co2_market_kg",
        comment="market-based CO2; else as co2_ug",
    ),
    Mass(
        name=FROM_BIOMASS,
        in_kg="co2_biogenic_kg",
        answer="co2_biogenic_kg",
        comment="CO2 from biomass, beside co2_ug and in none of the other masses",
        closing="closing_biogenic_ug",
        later=True,
    ),
)

#: Every figure, in the order in which statements have them.
FIGURES: Final[tuple[Figure, ...]] = (
    *MASSES,
    Amount(
        name="activity_n",
        comment="1e-9 of the source's activity unit",
        in_windows=False,
        nullable=True,
    ),
    Amount(
        name="exported_n",
        window_kwh="exported_kwh",
        comment="what flowed out beside the activity, in its unit; it emits nothing",
        later=True,
    ),
    Time(name="covered_ms", in_us="covered_us", comment="0: nothing is known of this minute"),
    Time(
        name="closing_ms",
        comment="measured time: what closing the hour made of covered_ms, less covered_ms",
        in_hours=False,
        later=True,
        set_by_closing=True,
    ),
    Time(
        name="substituted_ms",
        share="substituted",
        comment="time for which closing the hour put a substitute",
        in_hours=False,
        later=True,
        set_by_closing=True,
    ),
    Time(
        name="estimated_ms",
        in_us="estimated_us",
        share="estimated",
        comment="of covered_ms, what a register's reading covers from too long before",
        later=True,
    ),
)

#: A minute's share of what closing its hour added to masses; hours and windows have it in these.
CLOSING_SHARES: Final = tuple(
    Figure(
        name=name,
        unit="ug",
        comment=f"the minute's share of what closing its hour added to {masses}",
        in_hours=False,
        in_windows=False,
        later=True,
        set_by_closing=True,
    )
    for name, masses in (
        ("closing_ug", "CO2, CO2e and market-based CO2"),
        ("closing_biogenic_ug", "biogenic CO2"),
    )
)

#: The mass that tells each of them: the first one that it is added to.
CLOSING_OF: Final = {
    share.name: next(mass.name for mass in MASSES if mass.closing == share.name)
    for share in CLOSING_SHARES
}

#: What a second computation of an hour is held against. A mass or an amount that was kept later was
#: nothing in rows from before, and is nothing by what was configured then.
CHECKED: Final = tuple(f for f in FIGURES if f.in_hours and (f.unit != "ms" or not f.later))

#: What is computed of each minute from its readings.
COMPUTED: Final = tuple(f for f in FIGURES if not f.set_by_closing)

#: What closing an hour sets in each of its minutes.
SET_BY_CLOSING: Final = tuple(f for f in FIGURES if f.set_by_closing)

#: What an hour and each of its versions have.
IN_HOURS: Final = tuple(f for f in FIGURES if f.in_hours)

#: What sums of hours have of what their hours have; times they have by method.
SUMMED_AMOUNTS: Final = tuple(f for f in IN_HOURS if f.unit != "ms")

#: What rolling and to-date totals have.
IN_WINDOWS: Final = tuple(f for f in FIGURES if f.in_windows)

#: Amounts of windows, in the order in which records have them.
WINDOW_AMOUNTS: Final = tuple(f for f in IN_WINDOWS if isinstance(f, Amount))

#: What in windows has no bounds.
WITHOUT_BOUNDS: Final = (*MASSES, *WINDOW_AMOUNTS)

#: Times that are computed of each minute from its readings.
COMPUTED_TIMES: Final = tuple(f for f in FIGURES if isinstance(f, Time) and f.in_us is not None)

#: Times of methods, which answers show as shares.
METHOD_TIMES: Final = tuple(f for f in FIGURES if isinstance(f, Time) and f.share is not None)

#: Those that are a part of covered time. What is left of it is measured, and so is what a rule
#: found valid as a whole.
OF_COVERED: Final = tuple(f for f in METHOD_TIMES if not f.set_by_closing)

#: Shares of a total in answers, in the order of ``METHODS_MS``.
SHARES: Final = ("measured", *(str(f.share) for f in METHOD_TIMES))

#: The time of each method: what is measured, then the others.
METHODS_MS: Final = ("measured_ms", *(f.name for f in METHOD_TIMES))

#: Whether a method's time is of covered time, which no source has more of than it was there.
METHODS_COVER: Final = (True, *(f in OF_COVERED for f in METHOD_TIMES))

#: Times of a total in answers: all that readings cover, and each method's.
TIMES: Final = ("covered_ms", *METHODS_MS)


def kg(micrograms: float) -> float:
    """Convert micrograms, in which masses are stored, to the kilograms of answers."""
    return micrograms / UG_PER_KG


def per_figure(figures: Iterable[Figure], pattern: str = "{f}") -> LiteralString:
    """Return the SQL of a list: the pattern for each figure, with a comma between.

    In the pattern ``{f}`` is the figure's name, ``{f.type}`` and the like its properties.
    """
    return ", ".join(pattern.format(f=figure) for figure in figures)


def names(figures: Iterable[Figure]) -> tuple[str, ...]:
    """Return the names of the figures' columns."""
    return tuple(figure.name for figure in figures)
