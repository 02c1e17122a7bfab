"""What is taken for granted when a source counts by a factor, told where a file is applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.core.accounting.factors import ConfigurationError, Factor
from services.core.accounting.methods import ActivityMethod
from services.core.accounting.units import UnitError
from services.core.facility import assemble, model


def warnings(
    file: model.FacilityFile,
    source: model.ActivitySource,
    versions: Sequence[Sequence[Factor]],
    fallbacks: assemble.FactorVersions,
) -> Iterator[str]:
    """Say it in one sentence each; ``versions``: of the factor, and of the market-based one."""
    channels = {role: file.channel(reference) for role, reference in source.channels.items()}
    try:
        method = assemble.method(
            source,
            {role: channel for role, channel in channels.items() if channel is not None},
            enumerate(versions[0]),
            file.facility.timezone,
            enumerate(versions[1] if len(versions) > 1 else ()),
            fallbacks,
        )
    except (ConfigurationError, UnitError, KeyError):
        # said by the checks, with its place
        return
    if isinstance(method, ActivityMethod):
        factors = (*method.factor_spans, *method.market_spans)
        notes = dict.fromkeys(note for applied in factors for note in applied.notes)
        yield from (f"{source.id}: {note}" for note in notes)
