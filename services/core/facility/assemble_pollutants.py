"""From the parts of a facility file to the rules by which a stack's pollutants are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from services.core.accounting.derived.minutes import DerivedInput
from services.core.accounting.factors import ConfigurationError
from services.core.accounting.pollutants.limits import (
    LIMIT_RULES,
    Condition,
    DayRule,
    Limit,
    Stated,
)
from services.core.accounting.pollutants.means import (
    AveragingMinutes,
    FlowRule,
    PollutantRule,
    needed,
)
from services.core.accounting.pollutants.standardisation import (
    CONCENTRATION,
    GAS_PRESSURE,
    GAS_TEMPERATURE,
    OXYGEN,
    Standardisation,
)
from services.core.accounting.pollutants.substances import SUBSTANCES, mg_nm3_per_ppm
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.stack.calibration_range import ValidRange
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.measured import (
    FLOW,
    MOISTURE,
    PRESSURE,
    TEMPERATURE,
    StackInputs,
)
from services.core.accounting.stack.scales import Beyond, Scale
from services.core.accounting.stack.validity import VALIDITY, ValidityPolicy
from services.core.accounting.units import Conversion, conversion, unit
from services.core.facility import assemble, model
from services.core.facility.assemble_closing import scale_of, valid_ranges
from services.core.facility.derived_channels import as_channel, computed
from services.core.facility.pollutants import Pollutant, PollutantLimit

_MINUTES: Mapping[str, AveragingMinutes] = {"30min": 30, "1h": 60}

#: What a channel is to a pollutant: its role among those that the pollutant names, and that of the
#: source's input that takes its place.
_PLACES: Mapping[str, tuple[str, str]] = {
    CONCENTRATION: ("concentration", ""),
    OXYGEN: ("oxygen", "o2"),
    MOISTURE: ("h2o", "h2o"),
    GAS_TEMPERATURE: ("temperature", "temperature"),
    GAS_PRESSURE: ("pressure", "pressure"),
    FLOW: ("flow", "flow"),
    TEMPERATURE: ("", "temperature"),
    PRESSURE: ("", "pressure"),
}


def pollutant_rules(
    source: model.StoredSource, channels: Mapping[str, model.Channel]
) -> tuple[PollutantRule, ...]:
    """Return the rules of a source's pollutants; ``channels`` by role.

    :raises ConfigurationError: one cannot be computed, with the reason and the way out.
    """
    if not isinstance(source, model.StackSource):
        return ()
    return tuple(_Builder(source, p, channels).rule() for p in source.pollutants or ())


def limits(pollutant: Pollutant) -> tuple[Limit, ...]:
    """Return the limits of a pollutant.

    :raises ConfigurationError: its intervals are not those of a limit's rule.
    """
    return tuple(_limit(pollutant, stated) for stated in pollutant.limits)


def averaging_minutes(pollutant: Pollutant) -> AveragingMinutes:
    """Return the length of the intervals that means are formed of."""
    return _MINUTES[pollutant.averaging]


def validity_of(source: model.StackSource, pollutant: Pollutant) -> str:
    """Return the name of the rule that validates a pollutant's intervals."""
    if pollutant.validity is not None:
        return pollutant.validity
    return "en17255" if source.validity == "none" else source.validity


class _Builder:
    """Builds the rule of one pollutant."""

    def __init__(
        self, source: model.StackSource, pollutant: Pollutant, channels: Mapping[str, model.Channel]
    ) -> None:
        self._source = source
        self._pollutant = pollutant
        #: by what a channel is to the pollutant
        self._roles = dict(_roles(pollutant, channels))
        self._channels = {name: channels[role] for name, role in self._roles.items()}
        #: the source's flow, where it is derived and the pollutant names none of its own
        self._derived_flow: DerivedInput | None = None
        part = source.derived_inputs.get(FLOW)
        if part is not None and FLOW not in self._channels:
            self._roles |= {name: name for name in part.inputs}
            self._channels |= {FLOW: as_channel(part), **{n: channels[n] for n in part.inputs}}
            self._derived_flow = computed(part, channels)

    def rule(self) -> PollutantRule:
        limits(self._pollutant)
        minutes = averaging_minutes(self._pollutant)
        standardisation = self._standardisation()
        flow = self._flow(standardisation)
        return PollutantRule(
            name=self._pollutant.id,
            minutes=minutes,
            validity=self._validity(minutes),
            standardisation=standardisation,
            roles={name: self._roles[name] for name in needed(standardisation, flow)},
            flow=flow,
            scales=dict(self._scales()),
            valid_ranges=self._valid_ranges(standardisation),
        )

    def _valid_ranges(self, standardisation: Standardisation) -> tuple[ValidRange, ...]:
        """Return them as a report states them: of the concentration at standard conditions."""
        channel, to_mg = self._channels[CONCENTRATION], standardisation.to_mg
        if not channel.has_valid_range:
            return ()
        return tuple(
            valid
            if valid.bounds is None
            else replace(valid, bounds=(to_mg(valid.bounds[0]), to_mg(valid.bounds[1])))
            for valid in valid_ranges(channel)
        )

    def _standardisation(self) -> Standardisation:
        concentration = self._channels[CONCENTRATION]
        to_mg = self._to_mg(concentration)
        if concentration.basis is None:
            raise self._refusal(
                f"{concentration.id} does not say whether it measures wet or dry gas: give it basis"
            )
        is_actual = (
            concentration.quantity == "concentration" and unit(concentration.unit).state == "actual"
        )
        conversions: dict[str, Conversion] = {}
        if is_actual:
            hint = (
                f"{concentration.id} is in {concentration.unit} of the gas as it is: write mg/Nm3"
                " if the monitor itself corrects to 0 degC and 101.325 kPa, or name"
            )
            self._needed(GAS_TEMPERATURE, f"{hint} temperature", "degC", conversions)
            self._needed(GAS_PRESSURE, f"{hint} pressure", "kPa", conversions)
        oxygen_basis = Basis.DRY
        reference = self._pollutant.reference_oxygen
        if reference is not None:
            self._needed(
                OXYGEN, "reference_oxygen needs an oxygen channel: name oxygen", "%", conversions
            )
            oxygen_basis = self._basis(OXYGEN, "o2", concentration.basis)
        basis = Basis(concentration.basis)
        if Basis.WET in {basis, oxygen_basis}:
            self._needed(MOISTURE, "wet gas needs its moisture: name moisture", "%", conversions)
        return Standardisation(
            to_mg=to_mg,
            basis=basis,
            is_actual=is_actual,
            oxygen_basis=oxygen_basis,
            reference_oxygen=reference,
            above_reference_only=self._pollutant.oxygen_correction == "above_reference",
            conversions=conversions,
        )

    def _to_mg(self, channel: model.Channel) -> Conversion:
        if channel.quantity == "concentration":
            state = unit(channel.unit).state
            return conversion(channel.unit, "mg/m3" if state == "actual" else "mg/Nm3")
        if channel.quantity != "fraction":
            raise self._refusal(
                f"{channel.id} is a {channel.quantity}; a concentration is a fraction, such as ppm,"
                " or in mg/Nm3"
            )
        name = self._pollutant.substance or self._pollutant.id
        known = SUBSTANCES.get(name)
        g_mol = self._pollutant.molar_mass or (None if known is None else known.g_mol)
        if g_mol is None:
            meant = "" if known is not None else did_you_mean(name, SUBSTANCES)
            raise self._refusal(
                f"{channel.id} is in {channel.unit}, and {name} has no molar mass here{meant}: give"
                " molar_mass in g/mol, or measure it in mg/Nm3"
            )
        to_ppm = conversion(channel.unit, "ppm")
        of_ppm = mg_nm3_per_ppm(g_mol)
        return Conversion(
            from_unit=channel.unit, to_unit="mg/Nm3", scale=to_ppm.scale * of_ppm, offset=0.0
        )

    def _flow(self, standardisation: Standardisation) -> FlowRule | None:
        flow = self._channels.get(FLOW)
        if flow is None:
            return None
        if flow.quantity != "volume_flow":
            raise self._refusal(f"{flow.id} is a {flow.quantity}; a flow is in m3/h or Nm3/h")
        conversions: dict[str, Conversion] = {}
        is_actual = unit(flow.unit).state == "actual"
        conversions[FLOW] = conversion(flow.unit, "m3/h" if is_actual else "Nm3/h")
        if is_actual:
            hint = (
                f"{flow.id} measures gas as it flows ({flow.unit}): add to the source's inputs its"
            )
            self._needed(TEMPERATURE, f"{hint} temperature", "degC", conversions)
            self._needed(PRESSURE, f"{hint} absolute pressure", "kPa", conversions)
        basis = self._basis(FLOW, FLOW, None)
        if basis is not standardisation.basis:
            self._needed(
                MOISTURE,
                f"{flow.id} measures {basis} gas and the concentration is {standardisation.basis}:"
                " name moisture",
                "%",
                conversions,
            )
        to_dry = basis is Basis.WET and standardisation.basis is Basis.DRY
        return FlowRule(
            inputs=StackInputs(
                conversions=conversions,
                from_normal=conversion("Nm3/h", "Nm3/h") if is_actual else None,
                dry_flow=to_dry,
                derived={} if self._derived_flow is None else {FLOW: self._derived_flow},
            ),
            basis=Basis.DRY if to_dry else basis,
        )

    def _validity(self, minutes: int) -> ValidityPolicy:
        name = validity_of(self._source, self._pollutant)
        if name == "hj75" and minutes < 60:
            raise self._refusal(
                "validity hj75 asks for 45 minutes of an hour: use averaging 1h or another validity"
            )
        return VALIDITY[name]

    def _scales(self) -> Iterator[tuple[str, Scale]]:
        """Yield the scales of what makes more emission the higher it is.

        A reading above them counts as it was read, a refused one as the full scale; under Part 75
        as twice the full scale.
        """
        part75 = "part75" in {self._source.validity, self._source.substitution}
        for name in (CONCENTRATION, FLOW):
            if name in self._roles:
                scale = scale_of(self._channels[name], Beyond.TWICE if part75 else Beyond.READ)
                if scale is not None:
                    yield name, scale

    def _needed(
        self, name: str, lacking: str, in_unit: str, conversions: dict[str, Conversion]
    ) -> None:
        channel = self._channels.get(name)
        if channel is None:
            raise self._refusal(lacking)
        conversions[name] = conversion(channel.unit, in_unit)

    def _basis(self, name: str, input_name: str, otherwise: str | None) -> Basis:
        """Return the basis of a channel: as stated, or as the equation takes it as its input."""
        channel = self._channels[name]
        if channel.basis is not None:
            return Basis(channel.basis)
        if self._roles.get(name, name) == input_name:
            for item in assemble.equation(self._source).inputs:
                if item.name == input_name and item.basis is not None:
                    return item.basis
        if otherwise is not None:
            return Basis(otherwise)
        raise self._refusal(
            f"{channel.id} does not say whether it measures wet or dry gas: give it basis"
        )

    def _refusal(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"pollutant {self._pollutant.id}: {reason}")


def _roles(
    pollutant: Pollutant, channels: Mapping[str, model.Channel]
) -> Iterator[tuple[str, str]]:
    for name, (named, input_name) in _PLACES.items():
        role = pollutant.role(named)
        if named and role in channels:
            yield name, role
        elif input_name in channels:
            yield name, input_name


def _limit(pollutant: Pollutant, part: PollutantLimit) -> Limit:
    value = _exact(part.value)
    limit = Limit(
        name=part.id,
        rule=part.rule,
        citation=part.citation or "as stated",
        value=value,
        conditions=(),
        deduction=value * _exact(pollutant.confidence_interval or 0) / 100,
        valid_from=part.valid_from,
        valid_to=part.valid_to,
    )
    if part.rule == "stated":
        return replace(
            limit,
            conditions=tuple(
                Condition(
                    means=condition.means,
                    at_most=value * _exact(condition.factor),
                    percent=_exact(condition.percent),
                )
                for condition in part.conditions
            ),
            days=DayRule(most_invalid=part.most_invalid, most_discarded=part.most_discarded),
        )
    rule = LIMIT_RULES[part.rule]
    if rule.minutes is not None and averaging_minutes(pollutant) not in rule.minutes:
        wanted = " or ".join(name for name, minutes in _MINUTES.items() if minutes in rule.minutes)
        raise ConfigurationError(
            f"pollutant {pollutant.id}: limit {part.id} is by rule {part.rule}, whose means are of"
            f" {wanted}: set averaging: {wanted}"
        )
    stated = Stated(
        value=value,
        half_hourly_a=None if part.half_hourly_a is None else _exact(part.half_hourly_a),
        half_hourly_b=None if part.half_hourly_b is None else _exact(part.half_hourly_b),
    )
    return replace(
        limit,
        citation=part.citation or rule.citation,
        conditions=rule.conditions(stated),
        alternatives=rule.alternatives(stated),
        days=rule.days,
    )


def _exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))
