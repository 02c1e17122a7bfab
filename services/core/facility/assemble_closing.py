"""From the parts of a facility file to the rule that hours are closed by, and monitors tested."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.stack.audits import RATA, Audit, is_annual, of_levels, of_runs
from services.core.accounting.stack.calibration_range import ValidRange
from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.diluents import CAPPED_EQUATIONS, DILUENT_CAPS
from services.core.accounting.stack.equations import Equation
from services.core.accounting.stack.linearity import GasTest, Level
from services.core.accounting.stack.measured import FLOW
from services.core.accounting.stack.qa import CalibrationRule, CalibrationSetup, Monitor, Run
from services.core.accounting.stack.scales import Beyond, Scale, beyond
from services.core.accounting.stack.substitution import DEFAULT_POTENTIAL, SUBSTITUTION, Parameter
from services.core.accounting.stack.validity import VALIDITY
from services.core.accounting.units import Conversion, conversion, unit
from services.core.facility import assemble, model
from services.core.facility.derived_channels import parts_of
from services.core.facility.in_force import InForce
from services.core.facility.monitors import Audit as AuditPart
from services.core.facility.monitors import Calibration
from services.core.timeline.instants import to_us


def closing_rule(
    source: model.StoredSource, channels: Mapping[str, model.Channel]
) -> ClosingRule | None:
    """How the source's hours are closed; None: as the sum of their minutes, under no rule.

    :raises ConfigurationError: a policy does not fit the source.
    """
    if isinstance(source, model.StackSource) and source.load is not None:
        takes = {item.name for item in assemble.equation(source).inputs}
        if source.substitution != "part75" or FLOW not in takes:
            raise ConfigurationError(
                "load tells by which range substitution part75 fills a flow: remove it"
            )
    if isinstance(source, model.StackSource) and source.diluent_cap:
        _check_diluent_cap(source)
    if source.validity == "none" and source.substitution == "none":
        return None
    if not isinstance(source, model.StackSource):
        raise ConfigurationError(
            "validity and substitution are rules for stacks: remove them from an activity source"
        )
    rule = ClosingRule(
        equation=assemble.equation(source),
        inputs=assemble.stack_method(source, channels).inputs,
        validity=VALIDITY[source.validity],
        substitution=SUBSTITUTION[source.substitution],
        potential=_potential(source, channels),
        operates_above=None if source.operating is None else source.operating.above,
        audits=_audits(source, channels),
        load_maximum=None if source.load is None else source.load.maximum,
        with_deadlines=frozenset(
            role
            for role, channel in channels.items()
            if channel.audit_deadlines is not None and model.enters(role)
        ),
        scales=_scales(source, channels),
        valid_ranges={
            role: valid_ranges(channel)
            for role, channel in channels.items()
            if channel.calibration_functions
        },
        diluent_cap=DILUENT_CAPS[source.unit_type or "boiler"] if source.diluent_cap else None,
    )
    if source.substitution == "part75" and not _fills_part75(rule.equation):
        raise ConfigurationError(
            f"substitution part75 fills CO2 in %, moisture and flow; {source.equation} takes"
            f" {', '.join(rule.equation.terms)}: use another substitution"
        )
    if source.substitution == "mrr" and "co2" not in rule.equation.terms:
        raise ConfigurationError(
            f"substitution mrr fills a CO2 concentration; {source.equation} takes none:"
            " use substitution none"
        )
    return rule


def _check_diluent_cap(source: model.StackSource) -> None:
    if "part75" not in {source.validity, source.substitution}:
        raise ConfigurationError(
            "diluent_cap is of 40 CFR 75: set validity: part75, or remove diluent_cap"
        )
    if source.equation not in CAPPED_EQUATIONS:
        raise ConfigurationError(
            f"diluent_cap is for the CO2 of {' and '.join(sorted(CAPPED_EQUATIONS))}, not of"
            f" {source.equation}: remove it"
        )


def _fills_part75(equation: Equation) -> bool:
    in_percent = all(i.quantity == "fraction" for i in equation.inputs if i.name == Parameter.CO2)
    return in_percent and set(equation.terms) <= {"co2", "h2o", "flow"}


def _potential(
    source: model.StackSource, channels: Mapping[str, model.Channel]
) -> dict[str, Decimal]:
    """Return what the channels or the rule give as potential values, in the equation's unit.

    Of a channel of which only ``range`` is stated its upper end is the maximum potential value; of
    a flow, for which the rule has none, also beside a full scale.
    """
    potential = {
        str(p): value for p, value in DEFAULT_POTENTIAL[source.unit_type or "boiler"].items()
    }
    parts = parts_of(source, channels)
    for item in assemble.equation(source).inputs:
        channel = parts[item.name]
        # of a flow as it flows the maximum at reference conditions is not known
        if item.name == FLOW and unit(channel.unit).state == "actual":
            continue
        stated = channel.maximum_potential
        if stated is None and channel.range is not None:
            has_scale = channel.full_scale is not None or channel.span is not None
            stated = None if has_scale and item.name != FLOW else channel.range[1]
        if item.name in {Parameter.CO2, Parameter.FLOW} and stated is not None:
            value = item.record(float(conversion(channel.unit, item.unit)(stated)))
            if value is not None:
                potential[item.name] = value
    return potential


def _scales(source: model.StackSource, channels: Mapping[str, model.Channel]) -> dict[str, Scale]:
    """Return the scales of the inputs, in the channels' own units.

    Where no full scale is stated the end of the range stands for it: what lies above is refused.
    """
    part75 = "part75" in {source.validity, source.substitution}
    # what a formula makes of twice the full scale nobody can tell: that is no data point
    counted: dict[str, Beyond | None] = {
        **dict.fromkeys(formula_roles(source), Beyond.NOTHING),
        **{role: beyond(role, part75=part75) for role in source.inputs if role in channels},
    }
    return {
        role: scale
        for role, counts_as in counted.items()
        if counts_as is not None and (scale := scale_of(channels[role], counts_as)) is not None
    }


def scale_of(channel: model.Channel, counts_as: Beyond) -> Scale | None:
    """Return the scale of a channel, in its own unit; None: neither it nor a range is stated."""
    first, *later = channel.in_force
    full_scale = _full_scale(first)
    if full_scale is None or full_scale <= 0:
        return None
    return Scale(
        full_scale=full_scale,
        beyond=counts_as,
        noise=first.noise if first.full_scale is None else 0.0,
        later=tuple(
            (terms.from_us or 0, figure)
            for terms in later
            if (figure := _full_scale(terms)) is not None
        ),
    )


def valid_ranges(channel: model.Channel) -> tuple[ValidRange, ...]:
    """Return where the channel's calibration functions are valid, by when, in its unit."""
    return tuple(
        ValidRange(from_us=terms.from_us, bounds=terms.valid_range) for terms in channel.in_force
    )


def _full_scale(terms: InForce) -> float | None:
    if terms.counted_full_scale is None and terms.range is not None:
        return terms.range[1]
    return terms.counted_full_scale


def formula_roles(source: model.StackSource) -> dict[str, str]:
    """Return the role that each channel of a formula is derived for, by the channel's own role."""
    return {name: role for role, part in source.derived_inputs.items() for name in part.inputs}


def _audits(
    source: model.StackSource, channels: Mapping[str, model.Channel]
) -> dict[str, tuple[Audit, ...]]:
    derived_for = formula_roles(source)
    by_role = {
        # as a monitor of what it is derived for, which the rule has bounds for
        role: audits(channel, derived_for.get(role, role))
        for role, channel in channels.items()
        if channel.audits and model.enters(role)
    }
    for role in set(by_role) & set(derived_for):
        if any(audit.bias_factor != 1 for audit in by_role[role]):
            raise ConfigurationError(
                f"an audit of {role} comes to a bias factor, and {role} enters {derived_for[role]}"
                " by a formula: multiply it there, and state passed in place of runs and"
                " bias_factor"
            )
    return by_role


def calibration_rule(channel: model.Channel) -> CalibrationRule | None:
    """Return the rule for the channel's calibrations; None: there is none.

    What a monitor shows of a reference is compared with it as it is: its calibration function was
    found in the stack's own gas.

    :raises ConfigurationError: there is no daily calibration for such a channel.
    """
    if channel.calibration is None:
        return None
    return CalibrationRule(
        setups=tuple(
            (terms.from_us, *_calibration_setup(channel, channel.calibration, terms))
            for terms in channel.in_force
        )
    )


def _calibration_setup(
    channel: model.Channel, stated: Calibration, terms: InForce
) -> tuple[CalibrationSetup, Conversion]:
    span_value = terms.span if stated.span is None else stated.span
    if channel.quantity == "fraction":
        monitor, to_unit = Monitor.CO2, "%"
    elif channel.quantity == "volume_flow":
        monitor, to_unit = Monitor.FLOW, channel.unit
        if span_value is None:
            raise ConfigurationError(
                "the calibration of a flow monitor needs its span: give the channel span"
            )
    else:
        raise ConfigurationError(
            f"calibration is for a fraction or a volume_flow, not for {channel.quantity}"
        )
    convert = conversion(channel.unit, to_unit)
    setup = CalibrationSetup(
        monitor=monitor,
        references=tuple(
            Decimal(repr(float(convert(reference)))) for reference in stated.references
        ),
        span=None if span_value is None else Decimal(repr(float(convert(span_value)))),
    )
    return setup, convert if terms.shown is None else convert.after(terms.shown)


def audits(channel: model.Channel, role: str) -> tuple[Audit, ...]:
    """Return what the channel's audits came to, where it is a source's input ``role``.

    :raises ConfigurationError: they cannot be judged, or give a factor that the rule knows not.
    """
    return tuple(_audit(channel, role, stated) for stated in channel.audits or ())


def _audit(channel: model.Channel, role: str, stated: AuditPart) -> Audit:
    ts_us = to_us(stated.at)
    if stated.bias_factor is not None and role != Monitor.FLOW:
        raise ConfigurationError(
            f"the audit of {channel.id} has a bias_factor, which only a flow carries: remove it"
        )
    if stated.kind not in (None, RATA):
        return _gas_test(channel, role, stated)
    if stated.runs is None:
        return Audit(
            ts_us=ts_us,
            passed=stated.passed is not False,
            bias_factor=Decimal(repr(stated.bias_factor or 1.0)),
            annual=stated.relative_accuracy is not None
            and is_annual(_exact(stated.relative_accuracy)),
        )
    quantities = {"fraction": "%", "volume_flow": channel.unit}
    if channel.quantity not in quantities or role not in set(Monitor):
        raise ConfigurationError(
            f"the runs of an audit of {channel.quantity} cannot be judged: state passed instead"
        )
    convert = conversion(channel.unit, quantities[channel.quantity])
    runs = [
        Run(reference=_exact(convert(reference)), monitor=_exact(convert(monitor)))
        for reference, monitor in stated.runs
    ]
    try:
        return of_runs(Monitor(role), ts_us=ts_us, runs=runs)
    except ValueError as error:
        raise ConfigurationError(f"audit of {channel.id}: {error}") from None


def _gas_test(channel: model.Channel, role: str, stated: AuditPart) -> Audit:
    test, ts_us = GasTest(str(stated.kind)), to_us(stated.at)
    if role not in {Monitor.CO2, Monitor.O2} or channel.quantity != "fraction":
        raise ConfigurationError(
            f"a {stated.kind} is a test of a CO2 or O2 monitor in percent, and {channel.id} is"
            f" {role} of {channel.quantity}: remove it"
        )
    if stated.levels is None:
        return Audit(ts_us=ts_us, passed=stated.passed is not False, gas_test=test)
    convert = conversion(channel.unit, "%")
    levels = [
        Level(reference=_exact(convert(reference)), response=_exact(convert(response)))
        for reference, response in stated.levels
    ]
    try:
        return of_levels(test, ts_us=ts_us, levels=levels, unit="%")
    except ValueError as error:
        raise ConfigurationError(f"{stated.kind} of {channel.id}: {error}") from None


def _exact(value: object) -> Decimal:
    return Decimal(repr(float(value)))  # type: ignore[arg-type]
