"""What a stack monitor's entry should say, so that going over its scale lowers no emission."""

from __future__ import annotations

from collections.abc import Iterator

from services.core.accounting.units import unit
from services.core.facility import model

#: Inputs of which more makes more emission, and that a substitution rule fills.
_FILLED_FROM_ABOVE = ("co2", "flow")


def warnings(file: model.FacilityFile, source: model.StackSource) -> Iterator[str]:
    """List what the monitors of a source under a substitution rule lack: one sentence each."""
    if source.substitution == "none":
        return
    for role, reference in source.inputs.items():
        channel = file.channel(reference)
        if channel is None or channel.maximum_potential is None:
            continue
        if role not in _FILLED_FROM_ABOVE:
            yield (
                f"{reference} has a maximum_potential, and {role} is not filled from above: remove"
                " it, it changes nothing"
            )
        elif role == "flow" and unit(channel.unit).state == "actual":
            yield (
                f"{reference} is measured as the gas flows ({channel.unit}), so that its"
                " maximum_potential at reference conditions is not known: where part75 asks for it"
                f" the hour of {source.id} stays missing"
            )
    for role in _FILLED_FROM_ABOVE:
        filled = source.inputs.get(role, "")
        channel = file.channel(filled) if filled else None
        if channel is None:
            continue
        yield from _without_full_scale(file, source, role)
        lacks_potential = channel.maximum_potential is None and channel.range is None
        if source.substitution == "part75" and role == "flow" and lacks_potential:
            yield (
                f"{filled} has no maximum_potential: where part75 asks for the maximum potential"
                f" flow the hour of {source.id} stays missing; give maximum_potential"
            )


def _without_full_scale(
    file: model.FacilityFile, source: model.StackSource, role: str
) -> Iterator[str]:
    """Say it of an input's channel, and of each that a derived one is of."""
    part = source.derived_inputs.get(role)
    for reference in (source.inputs[role],) if part is None else part.inputs:
        channel = file.channel(reference)
        if channel is not None and channel.full_scale is None:
            yield _lacks_full_scale(reference, channel, source)


def _lacks_full_scale(reference: str, channel: model.Channel, source: model.StackSource) -> str:
    lacking = "full_scale, the highest value that it can measure"
    if channel.range is None:
        return (
            f"{reference} has no full_scale: nothing tells when the monitor reads above its scale,"
            f" so that finalised hours of {source.id} may be too low; give {lacking}"
        )
    if channel.maximum_potential is None:
        lacking += ", and maximum_potential, for which it stands too"
    return (
        f"{reference} has no full_scale: the end of range stands for it, so that what is above is"
        f" refused and counts as the rule of {source.id} says of what is above full scale; give"
        f" {lacking}"
    )
