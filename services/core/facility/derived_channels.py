"""Derived channels and directions of a facility file: written into the sources that use them.

What a source is computed from stands in its own configuration, of which every version is kept. So a
past total can be shown and computed, and a changed formula restates it, as for any other key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from services.core.accounting.derived.dimensions import Measured
from services.core.accounting.derived.formula import FormulaError, parse, references, text_of
from services.core.accounting.derived.minutes import DerivedInput, derived_input
from services.core.facility.channels import Channel
from services.core.facility.fields import Direction
from services.core.facility.sources import TELLING, Derived, StackSource


def with_derived(data: Any) -> Any:
    """Return the data of a file with each input's formula and direction written into its source.

    What is not as the model wants it stays as it is: the model says so.
    """
    sources = data.get("sources") if isinstance(data, dict) else None
    if not isinstance(sources, list):
        return data
    written = dict(_written_out(data.get("devices")))
    return {**data, "sources": [_with_input(source, written) for source in sources]}


def derived_channels(devices: Any) -> dict[str, Derived]:
    """Return the derived channels of a file's devices, written out, by ``device.channel``."""
    return {
        reference: Derived.model_validate(keys["derived"])
        for reference, keys in _written_out(devices)
        if "derived" in keys
    }


def _with_input(source: Any, written: Mapping[str, dict[str, Any]]) -> Any:
    if not isinstance(source, dict):
        return source
    if source.get("method") == "stack":
        return _with_inputs(source, written)
    if source.get("method") != "activity":
        return source
    reference = source.get("input")
    rest = {key: value for key, value in source.items() if key not in {"derived", "direction"}}
    return {**rest, **written.get(reference, {})} if isinstance(reference, str) else rest


def _with_inputs(source: dict[str, Any], written: Mapping[str, dict[str, Any]]) -> Any:
    rest = {key: value for key, value in source.items() if key != "derived_inputs"}
    inputs = source.get("inputs")
    derived = {
        role: written[reference]["derived"]
        for role, reference in (inputs.items() if isinstance(inputs, dict) else ())
        if isinstance(reference, str) and "derived" in written.get(reference, {})
    }
    return {**rest, "derived_inputs": derived} if derived else rest


def _written_out(devices: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for device in devices if isinstance(devices, list) else ():
        channels = device.get("channels") if isinstance(device, dict) else None
        for channel in channels if isinstance(channels, list) else ():
            if not isinstance(channel, dict):
                continue
            reference = f"{device.get('id')}.{channel.get('id')}"
            stated = channel.get("direction")
            direction = {"direction": stated} if stated in get_args(Direction) else {}
            if channel.get("kind") == "derived":
                yield reference, {**direction, **_derived(device, channel, reference)}
            elif direction:
                yield reference, direction


def _derived(device: Mapping[str, Any], channel: Any, reference: str) -> dict[str, Any]:
    try:
        stated = Channel.model_validate(channel)
        formula = parse(stated.stated_formula, str(device.get("id")))
    except ValueError:
        # the model, or the check of the channel, says what is wrong
        return {}
    names = references(formula)
    if not names:
        return {}
    return {
        "derived": {
            "channel": reference,
            "quantity": stated.quantity,
            "unit": stated.unit,
            "formula": text_of(formula),
            "inputs": list(names),
            "basis": stated.basis,
            "maximum_potential": stated.maximum_potential,
            "uncertainty": stated.uncertainty,
        }
    }


def computed(
    derived: Derived, channels: Mapping[str, Channel], *, is_signed: bool = False
) -> DerivedInput:
    """Return what computes a derived channel from ``channels`` by name.

    :raises FormulaError: it cannot be computed, with the reason.
    """
    return derived_input(
        parse(derived.formula, derived.channel.partition(".")[0]),
        _measured({name: channels[name] for name in derived.inputs}),
        derived.unit,
        is_signed=is_signed,
    )


def parts_of(source: StackSource, channels: Mapping[str, Channel]) -> dict[str, Channel]:
    """Return what a stack's equation takes, by role, from its ``channels`` by role.

    What is derived is among them as the channel that it is, what it is derived from is not.
    """
    return {
        role: as_channel(source.derived_inputs[role])
        if role in source.derived_inputs
        else channels[role]
        for role in (*source.inputs, *(TELLING & set(channels)))
    }


def as_channel(derived: Derived) -> Channel:
    """Return a derived channel whose inputs are gauges as the gauge that it is like."""
    return Channel(
        id=derived.channel.partition(".")[2],
        quantity=derived.quantity,
        unit=derived.unit,
        kind="gauge",
        basis=derived.basis,
        maximum_potential=derived.maximum_potential,
        uncertainty=derived.uncertainty,
    )


def check_formula(
    device: str, channel: Channel, named: Callable[[str], Channel | None]
) -> DerivedInput:
    """Check the formula of a derived channel, and return what computes it.

    ``named`` finds a channel by its full name.

    :raises FormulaError: it cannot be computed, with the reason.
    """
    # what is kept, and parsed from then on, is the formula written out with full names
    formula = parse(text_of(parse(channel.stated_formula, device)), device)
    names = references(formula)
    if not names:
        raise FormulaError("it names no channel")
    channels: dict[str, Channel] = {}
    for name in names:
        known = named(name)
        if known is None:
            raise FormulaError(
                f"there is no channel {name!r} among this file's devices; "
                + (
                    "a minus between two channels needs spaces around it"
                    if channel.formula is not None and "-" in name
                    else "correct its name, or declare it"
                )
            )
        if known.kind == "derived":
            raise FormulaError(f"{name} is derived itself: name the channels that it is of")
        channels[name] = known
    return derived_input(formula, _measured(channels), channel.unit)


def _measured(channels: Mapping[str, Channel]) -> dict[str, Measured]:
    return {
        name: Measured(unit=channel.unit, is_rate=channel.kind == "gauge")
        for name, channel in channels.items()
    }
