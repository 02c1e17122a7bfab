"""What must hold between the parts of a facility file so that its totals can be computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from services.core.accounting.builtin_factors import lines, versions_of
from services.core.accounting.derived.formula import FormulaError
from services.core.accounting.factors import ConfigurationError, Factor, HeatContent, overlaps
from services.core.accounting.scopes import counted
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import QUANTITIES, UnitError, unit
from services.core.facility import (
    assemble,
    assemble_closing,
    assemble_pollutants,
    electricity_checks,
    factor_warnings,
    model,
    payload_mapping,
    product_checks,
    recipients,
    removal_checks,
    scale_warnings,
    threshold_checks,
)
from services.core.facility.channels import DIRECTED
from services.core.facility.derived_channels import check_formula
from services.core.facility.model import own_topic
from services.core.facility.topics import beyond_nats

Path = tuple[str | int, ...]
Finding = tuple[Path, str]


def problems(file: model.FacilityFile, shared: Sequence[Factor] = ()) -> Iterator[Finding]:
    """Every reason why the file cannot be used, with the path of the part it concerns.

    ``shared``: the factors of the registry that every facility may use.
    """
    yield from _repeated(file)
    yield from _checks(file)
    yield from problems_of_devices(file)
    factors = [factor_record(factor) for factor in file.factors]
    for i, factor in enumerate(factors):
        yield from _factor(("factors", i), factor, factors[:i])
    for i, source in enumerate(file.sources):
        yield from _source(("sources", i), file, source, factors, shared)
    yield from threshold_checks.problems(file)
    yield from _paths(file)
    yield from _weather(file)
    yield from product_checks.problems(file)
    yield from electricity_checks.problems(
        file, lambda name: factor_versions(name, factors, shared)
    )
    yield from removal_checks.problems(file)
    yield from recipients.problems(file)


def problems_of_devices(file: model.FacilityFile) -> Iterator[Finding]:
    """Return those of the reasons that are about what devices send."""
    yield from payload_mapping.problems(file)
    for i, device in enumerate(file.devices):
        for j, channel in enumerate(device.channels):
            yield from _channel(("devices", i, "channels", j), device, channel)
            if channel.kind == "derived":
                yield from _derived(("devices", i, "channels", j), file, device, channel)


def warnings(file: model.FacilityFile, shared: Sequence[Factor] = ()) -> Iterator[str]:
    """List what can be computed and may still surprise: one sentence each, with what helps."""
    yield from file.local_times
    yield from _warnings_of_topics(file)
    yield from threshold_checks.warnings(file)
    yield from electricity_checks.warnings(file)
    numbers = {product.batch_channel for product in file.products}
    for device in file.devices:
        for channel in device.channels:
            is_amount = f"{device.id}.{channel.id}" not in numbers
            yield from _warnings_of_channel(device, channel, is_amount=is_amount)
    factors = [factor_record(factor) for factor in file.factors]
    for source in file.sources:
        if isinstance(source, model.ActivitySource):
            yield from _warnings_of_direction(file, source)
            yield from _warnings_of_factors(source, factors, shared)
            yield from factor_warnings.warnings(
                file,
                source,
                [factor_versions(name, factors, shared) for name in source.factors],
                lambda name: enumerate(factor_versions(name, factors, shared)),
            )
            continue
        if source.validity == source.substitution == "none":
            tested = [
                reference
                for role, reference in source.channels.items()
                if model.enters(role)
                and (fed := file.channel(reference))
                and (fed.audits or fed.calibration or _lacks_counting(source, reference, fed))
            ]
            if tested:
                yield (
                    f"{', '.join(tested)}: audits, calibrations and valid ranges act when hours are"
                    f" closed by a rule, and {source.id} is under none; give it validity: part75 or"
                    " mrr"
                )
        else:
            yield from _warnings_of_valid_ranges(file, source)
        yield from scale_warnings.warnings(file, source)


def _lacks_counting(source: model.StackSource, reference: str, channel: model.Channel) -> bool:
    """Whether a channel has a valid range that means of a pollutant are not held against."""
    of_pollutant = any(p.concentration == reference for p in source.pollutants or ())
    return channel.has_valid_range and not of_pollutant


def _warnings_of_valid_ranges(file: model.FacilityFile, source: model.StackSource) -> Iterator[str]:
    counted = {item.name for item in assemble.equation(source).inputs}
    for role, reference in source.channels.items():
        channel = file.channel(reference)
        if role not in counted and channel and _lacks_counting(source, reference, channel):
            yield (
                f"{reference} has a valid_range, and is no input of {source.equation} by itself:"
                f" {source.id} does not count what lies beyond it"
            )


def _warnings_of_channel(
    device: model.Device, channel: model.Channel, *, is_amount: bool
) -> Iterator[str]:
    """``is_amount``: its values are amounts, and not numbers of batches."""
    if channel.kind == "counter" and channel.max_rate is None:
        yield (
            f"{device.id}.{channel.id} has no max_rate: an index that is wrong more than once in a"
            " row cannot be told from consumption; give the most it can rise in an hour"
        )
    if channel.audit_deadlines is not None and not channel.audits:
        yield (
            f"{device.id}.{channel.id} has audit_deadlines and no audits: nothing is due before the"
            " first of a kind; give its last audits"
        )
    if channel.kind in {"interval", "event"} and channel.range is None and is_amount:
        largest = "flows in one interval" if channel.kind == "interval" else "one event can be"
        yield (
            f"{device.id}.{channel.id} has no range: an amount that no {channel.kind} can hold"
            f" counts until somebody corrects it; give range: [0, the most that {largest}]"
        )


def _warnings_of_direction(file: model.FacilityFile, source: model.ActivitySource) -> Iterator[str]:
    channel = file.channel(source.input)
    if source.scope != 2 or source.direction is not None or channel is None:
        return
    if channel.range is not None and channel.range[0] < 0 and channel.quantity in DIRECTED:
        yield (
            f"{source.input} has a range below zero and no direction: what is below zero is refused"
            f" from now on, for {source.id} counts what is bought; give direction: both to tell"
            " export apart"
        )
    if source.derived is not None and " - " in source.derived.formula:
        yield (
            f"{source.input} can be below zero, and is then taken off what {source.id} counts; give"
            " direction: both if that is what flows out of the site"
        )


def _warnings_of_topics(file: model.FacilityFile) -> Iterator[str]:
    for device in file.devices:
        topics = {own_topic(device.topic, channel.topic) for channel in device.measured}
        if device.sparkplug is not None:
            topics.add(device.sparkplug.data_topic)
        for topic in sorted(topic for topic in topics if topic is not None and beyond_nats(topic)):
            yield (
                f"{device.id}: NATS carries no topic with a space ({topic!r}) and ends the"
                " connection of a device that publishes there; mosquitto does carry it"
            )


def _warnings_of_factors(
    source: model.ActivitySource, listed: Sequence[Factor], shared: Sequence[Factor]
) -> Iterator[str]:
    for name in source.factors:
        ends = [version.valid_to for version in factor_versions(name, listed, shared)]
        known = [end for end in ends if end is not None]
        if len(known) == len(ends):
            yield (
                f"the last version of {name} ends on {max(known)}: from then on {source.id} is"
                " unknown until there is another"
            )
    if any(version.basis == "market" for version in factor_versions(source.factor, listed, shared)):
        yield (
            f"{source.factor} is market-based and counts as the location-based factor of"
            f" {source.id}; name it as market_factor beside one of the grid"
        )


def factor_record(factor: model.Factor) -> Factor:
    """Accounting's record of a factor in a facility file."""
    # an analysis is written out among the others
    names = set(model.Factor.model_fields) - {
        "analysis",
        "heat_content",
        "heat_unit",
        "density",
        "kind",
        "co2_kg",
    }
    content = None
    if factor.heat_content is not None and factor.heat_unit is not None:
        content = HeatContent(
            mj=factor.heat_content, unit=factor.heat_unit, citation=factor.citation
        )
    return Factor(
        **{name: getattr(factor, name) for name in names},
        co2_kg=None if factor.kind == "series" else factor.co2_kg,
        heat_content=content,
        density_kg_m3=factor.density,
    )


def factor_versions(
    name: str, listed: Sequence[Factor], shared: Sequence[Factor] = ()
) -> list[Factor]:
    """Return a factor's versions in force: the file's own, else the registry's, else built-in.

    ``shared``: those of the registry, imported and built in.
    """
    return (
        [f for f in listed if f.id == name]
        or [f for f in shared if f.id == name]
        or [f for f in versions_of(name) if f.known_to is None]
    )


def _repeated(file: model.FacilityFile) -> Iterator[Finding]:
    for kind in (
        "devices",
        "sources",
        "thresholds",
        "maintenance",
        "products",
        "removals",
        "credits",
    ):
        ids = Counter[str]()
        for i, part in enumerate(getattr(file, kind)):
            ids[part.id] += 1
            if ids[part.id] > 1:
                yield (kind, i, "id"), f"{part.id!r} stands twice among the {kind}"
    for i, device in enumerate(file.devices):
        earlier: set[str] = set()
        for j, channel in enumerate(device.channels):
            if channel.id in earlier:
                yield (
                    ("devices", i, "channels", j, "id"),
                    f"{channel.id!r} stands twice among the channels of {device.id}",
                )
            earlier.add(channel.id)


def _paths(file: model.FacilityFile) -> Iterator[Finding]:
    scopes = [path.scope for path in file.pathway]
    for i, scope in enumerate(scopes):
        if scope in scopes[:i]:
            yield ("pathway", i, "scope"), f"there are two paths of scope {scope}: a scope has one"
        if scope not in {source.scope for source in file.sources}:
            yield ("pathway", i, "scope"), f"there is no source of scope {scope}"


def _weather(file: model.FacilityFile) -> Iterator[Finding]:
    if file.weather is None:
        return
    place, reference = ("weather", "temperature"), file.weather.temperature
    channel = file.channel(reference)
    if channel is None:
        meant = did_you_mean(reference, file.channel_references())
        yield place, f"there is no channel {reference!r} among this file's devices{meant}"
    elif channel.quantity != "temperature":
        yield place, f"{reference} is a channel of {channel.quantity}, not of temperature"
    elif channel.kind == "derived":
        yield place, f"{reference} is derived: name a channel that has readings"


def _checks(file: model.FacilityFile) -> Iterator[Finding]:
    try:
        counted((source.id, source.check) for source in file.sources)
    except ConfigurationError as error:
        named = [f"source {source.id!r} names" in str(error) for source in file.sources]
        yield ("sources", named.index(True), "check"), str(error)


def _channel(path: Path, device: model.Device, channel: model.Channel) -> Iterator[Finding]:
    try:
        declared = unit(channel.unit)
    except UnitError as error:
        yield (*path, "unit"), str(error)
        return
    if declared.quantity != channel.quantity:
        mistake = f"{channel.unit} is a unit of {declared.quantity}, not of {channel.quantity[:60]}"
        if channel.quantity not in QUANTITIES:
            mistake += f", which is not a quantity{did_you_mean(channel.quantity, QUANTITIES)}"
        yield (*path, "quantity"), mistake
    if channel.from_ is not None and device.format == "native":
        yield (
            (*path, "from"),
            "from maps a foreign payload; the native one names the channel itself",
        )
    try:
        assemble_closing.calibration_rule(channel)
    except ConfigurationError as error:
        yield (*path, "calibration"), str(error)


def _derived(
    path: Path, file: model.FacilityFile, device: model.Device, channel: model.Channel
) -> Iterator[Finding]:
    try:
        check_formula(device.id, channel, file.channel)
    except (FormulaError, UnitError) as error:
        key = "sum" if channel.formula is None else "formula"
        yield (*path, key), f"the {key} of {device.id}.{channel.id} cannot be used: {error}"


def _has_unit(channel: model.Channel) -> bool:
    try:
        unit(channel.unit)
    except UnitError:
        return False
    return True


def _factor(path: Path, factor: Factor, before: list[Factor]) -> Iterator[Finding]:
    try:
        unit(factor.unit)
    except UnitError as error:
        yield (*path, "unit"), str(error)
    if overlaps([f for f in before if f.id == factor.id] + [factor]):
        yield path, f"two versions of {factor.id!r} are valid at the same time"


def _inputs(
    path: Path, file: model.FacilityFile, source: model.Source, channels: dict[str, model.Channel]
) -> Iterator[Finding]:
    """Put the source's channels into ``channels``, by role."""
    for role, reference in source.channels.items():
        place = (*path, "inputs", role)
        of_fuel = isinstance(source, model.ActivitySource) and source.measures(role)
        if of_fuel:
            place = (*path, "analysis", role)
        elif isinstance(source, model.ActivitySource):
            place = (*path, "input")
        elif role in model.TELLING:
            place = (*path, role)
        elif not model.enters(role):
            place = (*path, "pollutants")
        channel = file.channel(reference)
        if channel is None:
            if role == reference:
                continue  # the check of the derived channel says so
            meant = did_you_mean(reference, file.channel_references())
            yield place, f"there is no channel {reference!r} among this file's devices{meant}"
        elif channel.kind != "derived":
            channels[role] = channel
        elif of_fuel or not model.enters(role):
            yield place, f"{reference} is derived, and {role} is measured: name a channel"


def _source(
    path: Path,
    file: model.FacilityFile,
    source: model.Source,
    factors: Sequence[Factor],
    shared: Sequence[Factor],
) -> Iterator[Finding]:
    channels: dict[str, model.Channel] = {}
    yield from _inputs(path, file, source, channels)
    if len(channels) < len(source.channels) or not all(map(_has_unit, channels.values())):
        # that is said where it stands
        return
    if "h2o" in channels and channels["h2o"].calibration is not None:
        yield (
            (*path, "inputs", "h2o"),
            f"{source.channels['h2o']} is moisture, which has no daily calibration: remove it",
        )
    versions: dict[str, list[Factor]] = {}
    if isinstance(source, model.ActivitySource):
        for key, name in zip(("factor", "market_factor"), source.factors, strict=False):
            versions[key] = factor_versions(name, factors, shared)
            if not versions[key]:
                yield (
                    (*path, key),
                    f"factor {name!r} is neither in this file nor built in nor imported"
                    + did_you_mean(name, {*(f.id for f in (*factors, *shared)), *lines()}),
                )
                return
    try:
        assemble.method(
            source,
            channels,
            enumerate(versions.get("factor", [])),
            file.facility.timezone,
            enumerate(versions.get("market_factor", [])),
            lambda name: enumerate(factor_versions(name, factors, shared)),
        )
        assemble_closing.closing_rule(source, channels)
        assemble_pollutants.pollutant_rules(source, channels)
    except (ConfigurationError, UnitError) as error:
        # what is wrong with a formula is said where it stands
        if not isinstance(error.__cause__, FormulaError):
            yield path, f"source {source.id!r} cannot be computed: {error}"
