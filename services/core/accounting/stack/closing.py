"""Closing an hour by rule: from what was measured to the figure that is reported.

Two steps, each a pure function of what it is given. :meth:`ClosingRule.record` judges the hour of
each input alone and records its average. :meth:`ClosingRule.figure` puts a substitute where an
input is not valid, looking at the source's other recorded hours, and computes the rate with the
rule's own rounding. So a source's hours depend on its recorded inputs only, in whatever order they
came to be known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.stack.audits import Audit
from services.core.accounting.stack.calibration_range import ValidRange
from services.core.accounting.stack.diluents import CAPPED, Diluent, DiluentCap
from services.core.accounting.stack.equations import Equation, ReportedRate
from services.core.accounting.stack.history import History
from services.core.accounting.stack.load_ranges import load_range
from services.core.accounting.stack.measured import StackInputs
from services.core.accounting.stack.periods import operating_time
from services.core.accounting.stack.recording import (
    LOAD,
    MEASURED,
    OPERATING,
    InputMinutes,
    RecordedInput,
    operates,
    record_input,
    record_load,
)
from services.core.accounting.stack.scales import AS_READ, OVER_SCALE, Beyond, Scale, beyond
from services.core.accounting.stack.substitution import (
    LOOK_BACK_HOURS,
    MissingHour,
    Parameter,
    SubstitutionPolicy,
    more_emission,
)
from services.core.accounting.stack.validity import NOT_OPERATING, ValidityPolicy


@dataclass(frozen=True, kw_only=True)
class InputValue:
    """What enters the equation for one input: the average or a substitute (None: missing)."""

    value: Decimal | None
    code: str
    reason: str
    provisional: bool = False


@dataclass(frozen=True, kw_only=True)
class Period:
    """A reporting period in clock hours since the epoch, `end` exclusive."""

    first: int
    end: int
    closed: bool


@dataclass(frozen=True, kw_only=True)
class HourFigure:
    """The hour as reported; `provisional` while a later hour may still change a substitute."""

    rate: ReportedRate
    inputs: Mapping[str, InputValue]
    #: fraction of the hour that the unit operated, in the rule's steps
    operating: Decimal
    quality: Literal["measured", "substituted", "missing"]
    code: str
    provisional: bool

    @property
    def kg(self) -> Decimal | None:
        """Mass of the hour: rate times operating time (40 CFR 75 App. F, F-12); None: missing."""
        return None if self.rate.kg_h is None else self.rate.kg_h * self.operating


@dataclass(frozen=True, kw_only=True)
class ClosingRule:
    """How the hours of one stack source are validated, filled and computed.

    `inputs` tell how the equation's inputs come from the channels. `potential` holds the maximum
    (moisture: minimum) potential value of each input, in the equation's unit, where there is one.
    `operates_above`: the unit operates in the minutes whose input `operating` is above it or not
    known; None: it always does. `audits` are those of each input's monitor. `load_maximum`: the
    greatest hourly load, in the unit of the input `load`; None: flow has one load range.
    `with_deadlines` are the inputs whose audits vouch for their data for so long only. `scales`
    are those of the channels whose full scale is stated, by role; `valid_ranges` those of their
    calibration functions. `diluent_cap` None: a diluent counts as it was measured, however little.
    """

    equation: Equation
    inputs: StackInputs
    validity: ValidityPolicy
    substitution: SubstitutionPolicy
    potential: Mapping[str, Decimal]
    operates_above: float | None = None
    audits: Mapping[str, tuple[Audit, ...]] = field(default_factory=dict)
    load_maximum: float | None = None
    with_deadlines: frozenset[str] = frozenset()
    scales: Mapping[str, Scale] = field(default_factory=dict)
    valid_ranges: Mapping[str, tuple[ValidRange, ...]] = field(default_factory=dict)
    diluent_cap: DiluentCap | None = None

    @property
    def part75(self) -> bool:
        """Whether values are determined as 40 CFR 75 says, with its method codes."""
        return "part75" in {self.validity.name, self.substitution.name}

    @property
    def roles(self) -> tuple[str, ...]:
        """All that is recorded: the channels' own, the CO2 that comes from a diluent, the load."""
        measured = tuple(item.name for item in self.equation.inputs)
        from_diluent = () if self.equation.diluent is None else ("co2",)
        return (*measured, *from_diluent, *(() if self.load_maximum is None else (LOAD,)))

    def load_range(self, load: Decimal | None) -> int | None:
        """Return the load range of an hour's load, None where flow has one range only."""
        return None if self.load_maximum is None else load_range(load, self.load_maximum)

    def operates(
        self, value: NDArray[np.float64], covered_us: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell of each minute of the input `operating` whether the unit operates."""
        return operates(self.operates_above, value, covered_us)

    def record(
        self,
        clock_hour: int,
        inputs: Mapping[str, InputMinutes],
        *,
        first_of_all: bool = False,
    ) -> dict[str, RecordedInput]:
        """Validate one hour's inputs by the validity policy and record their averages.

        `first_of_all`: nothing is known from before this hour, so its account begins with its
        first known minute, like an hour in which the unit starts.
        """
        operating = self._operating(inputs, first_of_all=first_of_all)
        recorded = {
            item.name: record_input(
                item,
                inputs[item.name],
                operating=operating,
                validity=self.validity,
                audits=[self.audits.get(role, ()) for role in self.inputs.channels(item.name)],
                clock_hour=clock_hour,
                over_code=self._over_code(item.name),
                no_negative=self.part75,
            )
            for item in self.equation.inputs
        }
        if self.load_maximum is not None:
            recorded[LOAD] = record_load(inputs[LOAD], operating=operating)
        if self.equation.diluent is not None:
            recorded["co2"] = self._from_diluent(self.equation.diluent, recorded)
        return recorded

    def _from_diluent(
        self, diluent: Diluent, recorded: Mapping[str, RecordedInput]
    ) -> RecordedInput:
        """Return the CO2 that comes from the hour's oxygen: the cap's where it takes its place."""
        parts = [recorded[item.name] for item in diluent.inputs]
        lacking = next((part for part in parts if not part.valid), parts[0])
        averages = {item.name: recorded[item.name].average for item in diluent.inputs}
        code = next((part.code for part in parts if part.code != MEASURED), MEASURED)
        reason = lacking.verdict_reason
        valid = all(part.valid for part in parts)
        cap = self._cap(Parameter.O2, averages[Parameter.O2]) if valid else None
        if cap is not None:
            code, reason = (
                CAPPED,
                f"{reason}; {_gives_way(Parameter.O2, averages[Parameter.O2], cap)}",
            )
            averages[Parameter.O2] = cap
        return RecordedInput(
            average=self.equation.co2_from_diluent(averages),
            code=code,
            covered_ms=min(part.covered_ms for part in parts),
            operating_ms=parts[0].operating_ms,
            valid=valid,
            verdict=lacking.verdict,
            verdict_reason=reason,
        )

    def _cap(self, gas: str, average: Decimal | None) -> Decimal | None:
        """Return the cap value in place of a measured diluent; None: what was measured counts."""
        return None if self.diluent_cap is None else self.diluent_cap.replaces(gas, average)

    def _operating(
        self, inputs: Mapping[str, InputMinutes], *, first_of_all: bool
    ) -> NDArray[np.bool_]:
        operating = np.ones(60, dtype=bool)
        if self.operates_above is not None:
            operating &= self.operates(inputs[OPERATING].value, inputs[OPERATING].covered_us)
        if first_of_all:
            known = np.any([inputs[i.name].covered_us > 0 for i in self.equation.inputs], axis=0)
            operating &= np.maximum.accumulate(known)
        return operating

    def figure(
        self,
        clock_hour: int,
        recorded: Mapping[str, RecordedInput],
        histories: Mapping[str, History],
        period: Period,
    ) -> HourFigure:
        """Compute the hour from what was recorded of it.

        `histories` are asked only for inputs that are not valid; they hold this hour and its
        neighbours too. `period` is the reporting period that the hour lies in.
        """
        operating_ms = recorded[self.equation.terms[0]].operating_ms
        if operating_ms == 0:
            return self._idle()
        load = recorded[LOAD].average if LOAD in recorded else None
        values = {
            name: self._value(name, recorded[name], histories, clock_hour, period, load)
            for name in self.equation.terms
        }
        rate = self.equation.reporting({name: given.value for name, given in values.items()})
        substituted = [name for name in values if not recorded[name].valid]
        return HourFigure(
            rate=rate,
            inputs=values,
            operating=operating_time(operating_ms / 1000),
            quality="missing"
            if rate.value is None
            else "substituted"
            if substituted
            else "measured",
            code=self._code(recorded, values, substituted, rate),
            provisional=any(given.provisional for given in values.values()),
        )

    def _idle(self) -> HourFigure:
        """Close an hour in which the unit did not operate: zero, whatever was measured."""
        rate = ReportedRate(
            equation=self.equation.id,
            value=Decimal(0),
            unit=self.equation.unit,
            kg_per_unit=self.equation.kg_per_unit,
        )
        return HourFigure(
            rate=rate,
            inputs={},
            operating=Decimal(0),
            quality="measured",
            code=NOT_OPERATING,
            provisional=False,
        )

    def _value(
        self,
        name: str,
        recorded: RecordedInput,
        histories: Mapping[str, History],
        clock_hour: int,
        period: Period,
        load: Decimal | None,
    ) -> InputValue:
        # where CO2 comes from oxygen it is the oxygen that the cap stands in for
        measures_co2 = name == Parameter.CO2 and self.equation.diluent is None
        cap = self._cap(name, recorded.average) if measures_co2 else None
        if recorded.valid and cap is not None:
            return InputValue(
                value=cap,
                code=CAPPED,
                reason=f"{recorded.verdict_reason}; {_gives_way(name, recorded.average, cap)}",
            )
        if recorded.valid:
            return InputValue(
                value=recorded.average, code=recorded.code, reason=recorded.verdict_reason
            )
        substitute = self.substitution.substitute(
            _missing(
                Parameter(name),
                histories[name],
                clock_hour,
                period,
                self.potential.get(name),
                self.load_range(load) if name == Parameter.FLOW else None,
            )
        )
        least = recorded.least_known
        if self.substitution.name != "none" and least is not None:
            more = more_emission(name, substitute.value, least)
            if more != substitute.value:
                return InputValue(
                    value=more,
                    code=self._over_code(name),
                    reason="above full scale: a substitute makes no less emission than what was"
                    f" read ({substitute.reason})",
                    provisional=substitute.provisional,
                )
        return InputValue(
            value=substitute.value,
            code=substitute.code,
            reason=substitute.reason,
            provisional=substitute.provisional,
        )

    def _over_code(self, name: str) -> str:
        """Return the method code of an input's value that holds readings above full scale."""
        counts_as = beyond(name, part75=self.part75)
        # of a formula's channel it is no data point under any rule
        as_read = counts_as is Beyond.NOTHING or name in self.inputs.derived
        return AS_READ if as_read else OVER_SCALE

    def _code(
        self,
        recorded: Mapping[str, RecordedInput],
        values: Mapping[str, InputValue],
        substituted: list[str],
        rate: ReportedRate,
    ) -> str:
        verdict = [] if substituted else [recorded[self.equation.terms[0]].verdict]
        codes = [f"{name}:{value.code}" for name, value in values.items() if value.code != MEASURED]
        return " ".join([*verdict, *codes, *([rate.code] if rate.code else [])])


def _gives_way(gas: str, average: Decimal | None, cap: Decimal) -> str:
    if gas == Parameter.O2:
        return f"O2 of {average} % is above the diluent cap: {cap} % counts"
    return f"{gas.upper()} of {average} % is below the diluent cap: {cap} % counts"


def _missing(
    parameter: Parameter,
    history: History,
    clock_hour: int,
    period: Period,
    potential: Decimal | None,
    of_range: int | None,
) -> MissingHour:
    gap = history.gap(at_clock_hour=clock_hour)
    limit = LOOK_BACK_HOURS.get(parameter, 0)
    if of_range is None:
        look_back = history.look_back(at_clock_hour=clock_hour, hours=limit)
    else:
        of_range, look_back = history.look_back_from_range(
            of_range, at_clock_hour=clock_hour, hours=limit
        )
    return MissingHour(
        parameter=parameter,
        quality_assured_hours=history.quality_assured_hours(at_clock_hour=clock_hour),
        clock_hours=history.clock_hours(at_clock_hour=clock_hour),
        availability_percent=history.percent_availability(at_clock_hour=clock_hour),
        gap_hours=gap.hours,
        before=gap.before,
        after=gap.after,
        look_back=look_back,
        load_range=of_range,
        potential=potential,
        # while the period runs an hour looks back only, so that what it is told does not depend
        # on when it is asked
        period=history.measured_between(period.first, period.end if period.closed else clock_hour),
        period_closed=period.closed,
    )
