"""What a channel's dated figures are at an instant: what its readings of then are worth.

Read from the entry as the registry keeps it, for ingest looks at thousands of channels at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from services.core.accounting.units import Conversion, as_sent, conversion
from services.core.timeline.instants import to_us

#: Keys of a channel's entry that may have several values, by when.
OVER_TIME: Final = frozenset({"scale", "offset", "full_scale", "span", "calibration_functions"})
#: Those that what is in force is read from.
DATED: Final = OVER_TIME | {"range"}
#: Of the width of a range, so much beyond its ends is taken for rounding: a few operations in
#: single precision, in which many devices compute.
NOISE: Final = 1e-6

#: Those of them that are figures.
_FIGURES: Final = ("scale", "offset", "full_scale", "span")


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A calibration function y = a + b x of a channel."""

    from_us: int
    a: float
    b: float
    #: of y, a and the valid range
    unit: str
    #: in its unit, both ends included; None: not stated
    valid_range: tuple[float, float] | None
    citation: str = field(repr=False)

    def to_unit(self, unit: str) -> Conversion:
        """Return what turns x into y in ``unit``."""
        return conversion(self.unit, unit).after(
            Conversion(from_unit=unit, to_unit=self.unit, scale=self.b, offset=self.a)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InForce:
    """A channel's figures from an instant on, in its unit."""

    #: None: since ever
    from_us: int | None
    unit: str
    scale: float | None
    offset: float | None
    #: as the monitor shows it, before the calibration function
    full_scale: float | None
    span: float | None
    #: as stated
    range: tuple[float, float] | None
    function: Function | None

    @property
    def shown(self) -> Conversion | None:
        """What turns the numbers that the device sends into what the monitor shows; None: it is."""
        return as_sent(self.unit, self.scale, self.offset)

    @property
    def as_sent(self) -> Conversion | None:
        """What turns the numbers that the device sends into values that count; None: they do."""
        if self.function is None:
            return self.shown
        calibrated = self.function.to_unit(self.unit)
        return calibrated if self.shown is None else calibrated.after(self.shown)

    @property
    def counted_full_scale(self) -> float | None:
        """What the monitor's full scale counts as; None: it is not stated."""
        if self.full_scale is None or self.function is None:
            return self.full_scale
        return self.function.to_unit(self.unit)(self.full_scale)

    @property
    def plausible(self) -> tuple[float, float] | None:
        """The values that are not refused, both ends included; None: every value is plausible."""
        return plausible_range(self.range, self.counted_full_scale)

    @property
    def noise(self) -> float:
        """How far beyond the ends of what is plausible a value is taken for rounding."""
        return 0.0 if self.range is None else NOISE * (self.range[1] - self.range[0])

    @property
    def valid_range(self) -> tuple[float, float] | None:
        """The valid calibration range in the channel's unit; None: there is none."""
        if self.function is None or self.function.valid_range is None:
            return None
        in_unit = conversion(self.function.unit, self.unit)
        least, greatest = self.function.valid_range
        return in_unit(least), in_unit(greatest)


def in_force(unit: str, spec: Mapping[str, Any]) -> tuple[InForce, ...]:
    """Return what is in force of a channel in a unit, by when; one where nothing is dated."""
    functions = [_function(unit, stated) for stated in spec.get("calibration_functions") or ()]
    dated = {
        name: (
            [_start(entry) for entry in spec[name][1:]],
            [entry["value"] for entry in spec[name]],
        )
        for name in _FIGURES
        if isinstance(spec.get(name), Sequence)
    }
    starts = sorted(
        {start for starts, _ in dated.values() for start in starts}
        | {function.from_us for function in functions}
    )
    limits = spec.get("range")

    def figure(name: str, from_us: int | None) -> float | None:
        if name not in dated:
            return None if spec.get(name) is None else float(spec[name])
        figures_start, values = dated[name]
        index = 0 if from_us is None else bisect_right(figures_start, from_us)
        return float(values[index])

    return tuple(
        InForce(
            from_us=from_us,
            unit=unit,
            range=(float(limits[0]), float(limits[1])) if limits else None,
            function=next(
                (f for f in reversed(functions) if from_us is not None and f.from_us <= from_us),
                None,
            ),
            **{name: figure(name, from_us) for name in _FIGURES},
        )
        for from_us in (None, *starts)
    )


def in_force_at(terms: Sequence[InForce], ts_us: int) -> InForce:
    """Return which of a channel's are in force at an instant."""
    return terms[bisect_right([entry.from_us or 0 for entry in terms[1:]], ts_us)]


def differing_from(before: Sequence[InForce], after: Sequence[InForce]) -> tuple[int | None, ...]:
    """Return the instants from which on something else is in force; None: since ever."""
    starts = sorted(
        {entry.from_us for entry in (*before[1:], *after[1:]) if entry.from_us is not None}
    )
    return tuple(
        start
        for start in (None, *starts)
        if replace(_at_or_ever(before, start), from_us=None)
        != replace(_at_or_ever(after, start), from_us=None)
    )


def _at_or_ever(terms: Sequence[InForce], start: int | None) -> InForce:
    return terms[0] if start is None else in_force_at(terms, start)


def within(terms: Sequence[InForce], begin_us: int, end_us: int) -> tuple[InForce, ...]:
    """Return which of a channel's are in force in a span, its end exclusive."""
    first = in_force_at(terms, begin_us)
    return (first, *(entry for entry in terms if begin_us < (entry.from_us or 0) < end_us))


def _start(entry: Mapping[str, Any]) -> int:
    return to_us(datetime.fromisoformat(entry["from"]))


def _function(unit: str, stated: Mapping[str, Any]) -> Function:
    limits = stated.get("valid_range")
    return Function(
        from_us=to_us(datetime.fromisoformat(stated["valid_from"])),
        a=stated["a"],
        b=stated["b"],
        unit=stated.get("unit") or unit,
        valid_range=None if limits is None else (limits[0], limits[1]),
        citation=stated["citation"],
    )


def plausible_range(
    stated: tuple[float, float] | None, full_scale: float | None
) -> tuple[float, float] | None:
    """Return what is plausible of a channel from its ``range`` and its ``full_scale``.

    What a monitor shows a little beyond its scale is over-range, not implausible: refused, it would
    lower an emission. So an end of the range that is the scale's own lies further out.
    """
    if stated is None or full_scale is None:
        return stated
    least, greatest = stated
    return (
        -full_scale / 10 if least == 0 else least,
        greatest if greatest > full_scale else 2 * full_scale,
    )
