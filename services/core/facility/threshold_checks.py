"""Checks of thresholds against the facility that they watch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.core.accounting.derived.formula import FormulaError
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import UnitError
from services.core.facility import model
from services.core.facility.channels import A_KIND
from services.core.facility.derived_channels import check_formula
from services.core.facility.thresholds import Maintenance, Threshold

Path = tuple[str | int, ...]
Finding = tuple[Path, str]


def problems(file: model.FacilityFile) -> Iterator[Finding]:
    """Yield each reason why a threshold or maintenance cannot be used, with its path."""
    for i, threshold in enumerate(file.thresholds):
        for key, reason in threshold_problems(file, threshold):
            yield ("thresholds", i, key), reason
    for i, maintenance in enumerate(file.maintenance):
        for key, reason in maintenance_problems(file, maintenance, {t.id for t in file.thresholds}):
            yield ("maintenance", i, key), reason


def threshold_problems(file: model.FacilityFile, threshold: Threshold) -> Iterator[tuple[str, str]]:
    """Yield keys of a threshold that name something unknown or unsuitable, with the reason."""
    sources, devices = {s.id for s in file.sources}, {d.id for d in file.devices}
    if threshold.source is not None and threshold.source not in sources:
        yield "source", _no("source", threshold.source, sources)
    if threshold.scope is not None and threshold.scope not in {s.scope for s in file.sources}:
        yield "scope", f"there is no source of scope {threshold.scope}"
    yield from _path_or_product(file, threshold)
    if threshold.device is not None and threshold.device not in devices:
        yield "device", _no("device", threshold.device, devices)
    if threshold.pollutant is not None and threshold.source in sources:
        source = next(source for source in file.sources if source.id == threshold.source)
        yield from _pollutant(source, threshold.pollutant)
    if threshold.channel is None:
        return
    channel = file.channel(threshold.channel)
    if channel is None:
        yield "channel", _no("channel", threshold.channel, file.channel_references())
    elif channel.kind == "derived":
        if not _is_gauge(file, threshold.channel, channel):
            yield (
                "channel",
                (
                    f"{threshold.channel} is an amount of each minute, as the channels of its"
                    " formula are; only a gauge, or a formula of gauges, has a value to watch"
                ),
            )
    elif channel.kind != "gauge":
        yield (
            "channel",
            f"{threshold.channel} is {A_KIND[channel.kind]}; only a gauge has a value to watch",
        )


def warnings(file: model.FacilityFile) -> Iterator[str]:
    """List thresholds that watch a figure that says nothing of its own there."""
    for threshold in file.thresholds:
        if threshold.figure != "market":
            continue
        watched = [
            source
            for source in file.sources
            if threshold.source in {None, source.id} and threshold.scope in {None, source.scope}
        ]
        if watched and not any(_has_market_factor(source) for source in watched):
            names = ", ".join(source.id for source in watched[:5])
            yield (
                f"threshold {threshold.id} watches market-based CO2, and no market_factor is named"
                f" by {names}{', ...' if len(watched) > 5 else ''}: it is the same as CO2 there;"
                " leave figure out, or name a market_factor of a source of scope 2"
            )


def _path_or_product(file: model.FacilityFile, threshold: Threshold) -> Iterator[tuple[str, str]]:
    products = {product.id for product in file.products}
    if threshold.product is not None and threshold.product not in products:
        yield "product", _no("product", threshold.product, products)
    scopes = {path.scope for path in file.pathway}
    if threshold.definition.follows_path and threshold.scope not in scopes:
        yield (
            "scope",
            f"the file states no path of scope {threshold.scope}: add one to its pathway",
        )


def _has_market_factor(source: model.Source) -> bool:
    return isinstance(source, model.ActivitySource) and source.market_factor is not None


def _is_gauge(file: model.FacilityFile, reference: str, channel: model.Channel) -> bool:
    try:
        return check_formula(reference.partition(".")[0], channel, file.channel).is_rate
    except (FormulaError, UnitError):
        # said where the formula stands
        return True


def _pollutant(source: model.Source, name: str) -> Iterator[tuple[str, str]]:
    stated = source.pollutants or () if isinstance(source, model.StackSource) else ()
    by_name = {pollutant.id: pollutant for pollutant in stated}
    if name not in by_name:
        yield "pollutant", _no(f"pollutant of source {source.id!r} called", name, by_name)
    elif not by_name[name].limits:
        yield "pollutant", f"{name} of source {source.id!r} has no limits to watch: give it limits"


def maintenance_problems(
    file: model.FacilityFile, maintenance: Maintenance, thresholds: set[str]
) -> Iterator[tuple[str, str]]:
    """Yield keys of a maintenance that name something unknown, with the reason."""
    sources = {s.id for s in file.sources}
    for source in sorted(set(maintenance.sources or ()) - sources):
        yield "sources", _no("source", source, sources)
    for threshold in sorted(set(maintenance.thresholds or ()) - thresholds):
        yield "thresholds", _no("threshold", threshold, thresholds)


def _no(kind: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {kind} {name!r}{did_you_mean(name, known)}"
