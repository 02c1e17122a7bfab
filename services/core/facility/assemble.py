"""From the parts of a facility file to accounting's rules and methods.

The one place where a configuration becomes something that computes: `tonne apply` builds it to see
whether it can be computed, the aggregator to compute, an explanation to say how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.derived.formula import FormulaError
from services.core.accounting.derived.minutes import DerivedInput
from services.core.accounting.factor_spans import FactorSpan, SeriesTerms
from services.core.accounting.factors import ConfigurationError, Factor
from services.core.accounting.gwp import gwp_set
from services.core.accounting.hourly_factors import MEANS
from services.core.accounting.methods import ActivityMethod, Method, StackMethod
from services.core.accounting.registers import Epoch, RegisterConfig
from services.core.accounting.series import ESTIMATED_AFTER_US, ChannelRule
from services.core.accounting.stack.biogenic import BIOGENIC, BiogenicShare
from services.core.accounting.stack.equations import Equation, equation_for
from services.core.accounting.stack.inputs import Basis, ChannelKind
from services.core.accounting.stack.measured import (
    FLOW,
    MOISTURE,
    PRESSURE,
    TEMPERATURE,
    StackInputs,
)
from services.core.accounting.units import Conversion, conversion, unit
from services.core.accounting.worth import BEYOND_MEASURE, Worth
from services.core.facility import model
from services.core.facility.channels import A_KIND
from services.core.facility.derived_channels import computed, parts_of
from services.core.facility.in_force import InForce
from services.core.facility.measured_fuels import default_heat, measured_fuel
from services.core.timeline.instants import to_minute, to_us

#: Row ids and records of the versions of a factor, by its name.
FactorVersions = Callable[[str], Iterable[tuple[int, Factor]]]


def no_versions(name: str) -> Iterable[tuple[int, Factor]]:  # noqa: ARG001 - there are none
    """Return the versions of a factor where none are known."""
    return ()


def channel_rule(channel: model.Channel) -> ChannelRule:
    """How the channel's readings become minutes; it must be one that readings come for."""
    assert channel.kind != "derived"  # noqa: S101 - a source keeps the channels it is of instead
    first, *later = channel.in_force
    register = None
    if channel.kind == "counter":
        register = RegisterConfig(
            modulus=channel.modulus,
            max_rate_per_h=_as_shown(channel.max_rate, first),
            later_rates=tuple(
                (terms.from_us or 0, rate)
                for terms in later
                if (rate := _as_shown(channel.max_rate, terms)) is not None
            ),
            epochs=tuple(
                Epoch(
                    from_us=to_us(epoch.from_),
                    start=epoch.start,
                    reason=epoch.reason,
                    modulus=epoch.modulus,
                )
                for epoch in channel.epochs
            ),
            resets=None if channel.resets is None else channel.resets.rule,
        )
    least, greatest = _shown_limits(first)
    return ChannelRule(
        part="import" if channel.direction == "both" else None,
        kind=channel.kind,
        unit=channel.unit,
        max_gap_us=round(channel.max_gap * 1e6),
        every_us=None if channel.every is None else round(channel.every * 1e6),
        length_us=round((channel.length or 0.0) * 1e6),
        stamp=channel.stamp or "start",
        since_us=None if channel.since is None else to_us(channel.since),
        register=register,
        as_sent=first.as_sent,
        estimated_after_us=(
            ESTIMATED_AFTER_US
            if channel.estimated_after is None
            else round(channel.estimated_after * 1e6)
        ),
        least=least,
        greatest=greatest,
        later=tuple(_worth(terms) for terms in later),
    )


def _as_shown(max_rate: float | None, terms: InForce) -> float | None:
    """Return the rate as the register shows it: it is judged so, and stated in the unit."""
    return None if max_rate is None else max_rate / (1.0 if terms.scale is None else terms.scale)


def _worth(terms: InForce) -> Worth:
    least, greatest = _shown_limits(terms)
    return Worth(from_us=terms.from_us or 0, as_sent=terms.as_sent, least=least, greatest=greatest)


def _shown_limits(terms: InForce) -> tuple[float, float]:
    """Return what the channel can show at all, as sent."""
    if terms.plausible is None:
        return -BEYOND_MEASURE, BEYOND_MEASURE
    least, greatest = terms.plausible
    limits = (least - terms.noise, greatest + terms.noise)
    if terms.as_sent is not None:
        limits = terms.as_sent.back(limits)
    return max(limits[0], -BEYOND_MEASURE), min(limits[1], BEYOND_MEASURE)


def method(
    source: model.StoredSource,
    channels: Mapping[str, model.Channel],
    factors: Iterable[tuple[int, Factor]],
    timezone: str,
    market: Iterable[tuple[int, Factor]] = (),
    fallbacks: FactorVersions = no_versions,
) -> Method:
    """Return the method of a source; ``channels`` by role, ``factors`` the versions of its factor.

    ``market``: the versions of its market-based factor, if it names one. ``fallbacks``: those of
    factors that hold for hours for which a series has no value.

    :raises ConfigurationError: it cannot be computed, with the reason and the way out.
    """
    if isinstance(source, model.StackSource):
        return stack_method(source, channels, timezone)
    if isinstance(source, model.ProductionSource):
        return _production(source, channels, timezone)
    return _activity(source, channels, factors, timezone, market, fallbacks)


def equation(source: model.StackSource) -> Equation:
    """Return the equation of a stack source, its diluent and fuel worked in."""
    try:
        return equation_for(source.equation, diluent=source.diluent, fuel=source.fuel)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def stack_method(
    source: model.StackSource, channels: Mapping[str, model.Channel], timezone: str = "UTC"
) -> StackMethod:
    """Return the method of a stack source; ConfigurationError as :func:`method` raises it.

    ``timezone``: days of stated biogenic shares begin by it.
    """
    chosen = equation(source)
    parts = parts_of(source, channels)
    inputs, consumed = _stack_inputs(chosen, parts)
    offered = {
        name: _kind(channel, inputs, name)
        for name, channel in parts.items()
        if name not in model.TELLING and name not in consumed
    }
    reasons = chosen.check(offered)
    reasons += [
        f"{name} must be a gauge, {channel.id} is {A_KIND[channel.kind]}"
        for name, channel in channels.items()
        if channel.kind != "gauge"
    ]
    if reasons:
        raise ConfigurationError("; ".join(reasons))
    conversions = {
        item.name: conversion(parts[item.name].unit, item.unit)
        for item in chosen.inputs
        if item.name not in inputs.conversions
    }
    return StackMethod(
        equation=chosen,
        inputs=replace(
            inputs,
            conversions={**conversions, **inputs.conversions},
            derived={
                role: _derived(part, channels) for role, part in source.derived_inputs.items()
            },
        ),
        biogenic=_biogenic(source, channels, ZoneInfo(timezone)),
        is_under_rule=(source.validity, source.substitution) != ("none", "none"),
    )


def _derived(part: model.Derived, channels: Mapping[str, model.Channel]) -> DerivedInput:
    try:
        return computed(part, channels)
    except FormulaError as error:
        raise ConfigurationError(f"{part.channel}: {error}") from error


def _biogenic(
    source: model.StackSource, channels: Mapping[str, model.Channel], zone: ZoneInfo
) -> BiogenicShare | None:
    if source.biogenic is None:
        return None
    channel = channels.get(BIOGENIC)
    if channel is not None:
        if channel.quantity != "fraction":
            raise ConfigurationError(
                f"biogenic: {channel.id} is a {channel.quantity}; a share is a fraction, in %"
            )
        return BiogenicShare(to_ratio=conversion(channel.unit, "1"))
    stated = (
        (_local_midnight_minute(share.valid_from or date(1970, 1, 1), zone), share.share / 100)
        for share in source.biogenic.shares
    )
    return BiogenicShare(stated=tuple(sorted(stated)))


def _stack_inputs(
    chosen: Equation, channels: Mapping[str, model.Channel]
) -> tuple[StackInputs, set[str]]:
    """Return what brings the flow to the equation's state of the gas, and the channels it uses."""
    flow = channels.get(FLOW)
    target = next((item.unit for item in chosen.inputs if item.name == FLOW), None)
    conversions: dict[str, Conversion] = {}
    from_normal, consumed = None, set[str]()
    if flow is not None and target is not None and unit(flow.unit).state == "actual":
        if not {TEMPERATURE, PRESSURE} <= set(channels):
            raise ConfigurationError(
                f"{flow.id} measures gas as it flows ({flow.unit}), {chosen.id} takes {target}:"
                " add its temperature and its absolute pressure as inputs"
            )
        conversions = {
            FLOW: conversion(flow.unit, "m3/h"),
            TEMPERATURE: conversion(channels[TEMPERATURE].unit, "degC"),
            PRESSURE: conversion(channels[PRESSURE].unit, "kPa"),
        }
        from_normal = conversion("Nm3/h", target)
        consumed = {TEMPERATURE, PRESSURE}
    dry_flow = (
        chosen.same_basis
        and flow is not None
        and flow.basis == "wet"
        and MOISTURE in channels
        and channels["co2"].basis == "dry"
    )
    if dry_flow:
        conversions[MOISTURE] = conversion(channels[MOISTURE].unit, "%")
        consumed.add(MOISTURE)
    return StackInputs(
        conversions=conversions, from_normal=from_normal, dry_flow=dry_flow
    ), consumed


def _kind(channel: model.Channel, inputs: StackInputs, name: str) -> ChannelKind:
    """Return what the channel offers to its equation once the flow is in its state."""
    basis = Basis(channel.basis) if channel.basis else None
    kind = ChannelKind(quantity=channel.quantity, unit=channel.unit, basis=basis)
    if name == FLOW and inputs.from_normal is not None:
        kind = replace(kind, unit=inputs.from_normal.to_unit)
    if name == FLOW and inputs.dry_flow:
        kind = replace(kind, basis=Basis.DRY)
    return kind


def _input(
    source: model.ActivitySource | model.ProductionSource, channels: Mapping[str, model.Channel]
) -> tuple[Conversion, str, DerivedInput | None]:
    """Return what leads to the amounts of a source's input, their unit, and its formula if any."""
    if source.derived is None:
        channel = channels["input"]
        return *_activity_unit(channel.unit, is_rate=channel.kind == "gauge"), None
    is_signed = isinstance(source, model.ActivitySource) and source.direction == "both"
    try:
        derived = computed(source.derived, channels, is_signed=is_signed)
    except FormulaError as error:
        raise ConfigurationError(f"{source.derived.channel}: {error}") from error
    return *_activity_unit(source.derived.unit, is_rate=derived.is_rate), derived


def _production(
    source: model.ProductionSource, channels: Mapping[str, model.Channel], timezone: str
) -> ActivityMethod:
    """Return the method of what is counted of a product: amounts that emit nothing."""
    to_activity, activity_unit, derived = _input(source, channels)
    nothing = FactorSpan(
        from_minute=_local_midnight_minute(date(1970, 1, 1), ZoneInfo(timezone)),
        to_minute=None,
        co2_kg=0.0,
        co2e_kg=0.0,
        factor_id=0,
    )
    return ActivityMethod(
        to_activity=to_activity,
        activity_unit=activity_unit,
        factor_spans=(nothing,),
        derived=derived,
    )


def _activity(
    source: model.ActivitySource,
    channels: Mapping[str, model.Channel],
    factors: Iterable[tuple[int, Factor]],
    timezone: str,
    market: Iterable[tuple[int, Factor]],
    fallbacks: FactorVersions,
) -> ActivityMethod:
    to_activity, activity_unit, derived = _input(source, channels)
    zone = ZoneInfo(timezone)

    def spans_of_factor(
        name: str, versions: Iterable[tuple[int, Factor]]
    ) -> tuple[FactorSpan, ...]:
        factor_spans = tuple(
            _factor_span(source, activity_unit, zone, factor_id, factor, fallbacks)
            for factor_id, factor in versions
        )
        if not factor_spans:
            raise ConfigurationError(
                f"factor {name!r} is neither in this file nor built in;"
                " `tonne factors list --shipped` names the built-in ones"
            )
        return factor_spans

    market_spans: tuple[FactorSpan, ...] = ()
    if source.market_factor is not None:
        if source.scope != 2:
            raise ConfigurationError(
                f"market_factor belongs to scope 2, and this source is scope {source.scope}"
            )
        market_spans = spans_of_factor(source.market_factor, market)
    return ActivityMethod(
        to_activity=to_activity,
        activity_unit=activity_unit,
        factor_spans=spans_of_factor(source.factor, factors),
        market_spans=market_spans,
        derived=derived,
        is_export=source.direction == "export",
        fuel=None if source.analysis is None else measured_fuel(source, channels, activity_unit),
    )


def _factor_span(
    source: model.ActivitySource,
    activity_unit: str,
    zone: ZoneInfo,
    factor_id: int,
    factor: Factor,
    fallbacks: FactorVersions,
) -> FactorSpan:
    if factor.is_series and source.analysis is not None:
        raise ConfigurationError(
            f"{factor.id} is a series by the hour, and the gases of this source are measured: give"
            " it a factor with figures"
        )
    per_unit = co2_per_unit(
        # an hour's value is multiplied by what one kilogram comes to
        replace(factor, co2_kg=1.0) if factor.is_series else factor,
        activity_unit,
        calorific_value=source.calorific_value,
        volume_correction=source.volume_correction,
        density_kg_m3=source.density,
        gwp=gwp_set(source.gwp),
    )
    return FactorSpan(
        from_minute=_local_midnight_minute(factor.valid_from or date(1970, 1, 1), zone),
        to_minute=_local_midnight_minute(factor.valid_to, zone) if factor.valid_to else None,
        co2_kg=per_unit.co2_kg,
        co2e_kg=per_unit.co2e_kg,
        co2_biogenic_kg=per_unit.co2_biogenic_kg,
        factor_id=factor_id,
        heat_mmbtu=0.0 if source.analysis is None else default_heat(factor, per_unit),
        notes=per_unit.notes,
        series=_series_terms(source, activity_unit, zone, factor, fallbacks)
        if factor.is_series
        else None,
    )


def _series_terms(
    source: model.ActivitySource,
    activity_unit: str,
    zone: ZoneInfo,
    factor: Factor,
    fallbacks: FactorVersions,
) -> SeriesTerms:
    order = factor.fallback or ()
    stated = []
    for name in (name for name in order if name not in MEANS):
        versions = list(fallbacks(name))
        if not versions or any(version.is_series for _, version in versions):
            raise ConfigurationError(
                f"fallback {name!r} of {factor.id} is "
                + (
                    "a series itself: name a factor with figures"
                    if versions
                    else "neither in this file nor built in nor imported; month and year are means"
                    " of its own values"
                )
            )
        applied = (
            _factor_span(source, activity_unit, zone, row_id, version, no_versions)
            for row_id, version in versions
        )
        stated.append((name, tuple(applied)))
    return SeriesTerms(series_id=factor.series_id or 0, fallback=order, factors=tuple(stated))


def _activity_unit(name: str, *, is_rate: bool) -> tuple[Conversion, str]:
    """Return the unit of amounts itself; of a rate, that of what it is in one hour."""
    if not is_rate:
        return conversion(name, name), name
    quantity = unit(name).quantity
    if quantity == "power":
        return conversion(name, "kW"), "kWh"
    if quantity == "mass_flow":
        return conversion(name, "kg/h"), "kg"
    if quantity == "volume_flow":
        per_hour = "m3/h" if unit(name).state == "actual" else "Nm3/h"
        return conversion(name, per_hour), per_hour.removesuffix("/h")
    if quantity == "count_flow":
        return conversion(name, "piece/h"), "piece"
    raise ConfigurationError(
        f"a gauge of {quantity} has no activity; use power, mass_flow, volume_flow or count_flow,"
        " or a counter"
    )


def _local_midnight_minute(day: date, zone: ZoneInfo) -> int:
    return to_minute(datetime.combine(day, time(), zone))
