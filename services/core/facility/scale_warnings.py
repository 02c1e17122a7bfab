"""What a stack monitor's entry should say, so that going over its scale lowers no emission."""

from __future__ import annotations

from collections.abc import Iterator

from services.core.facility import model

#: Inputs of which more makes more emission, and that a substitution rule fills.
_FILLED_FROM_ABOVE = ("co2", "flow")


def warnings(file: model.FacilityFile, source: model.StackSource) -> Iterator[str]:
    """List what the monitors of a source under a substitution rule lack: one sentence each."""
    if source.substitution == "none":
        return
    for role in _FILLED_FROM_ABOVE:
        reference = source.inputs.get(role)
        channel = None if reference is None else file.channel(reference)
        if channel is None:
            continue
        if channel.full_scale is None:
            yield _without_full_scale(f"{reference}", channel, source)
        lacks_potential = channel.maximum_potential is None and channel.range is None
        if source.substitution == "part75" and role == "flow" and lacks_potential:
            yield (
                f"{reference} has no maximum_potential: where part75 asks for the maximum potential"
                f" flow the hour of {source.id} stays missing; give maximum_potential"
            )


def _without_full_scale(reference: str, channel: model.Channel, source: model.StackSource) -> str:
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
