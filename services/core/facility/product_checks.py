"""What must hold of products so that emissions can be divided by what is made of them."""

from __future__ import annotations

from collections.abc import Iterator

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.intensity.allocation import too_much
from services.core.accounting.intensity.footprint import declared_unit
from services.core.accounting.intensity.ratio import unit_ratio
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import UnitError, quantity_of
from services.core.facility import assemble, model

_Path = tuple[str | int, ...]
_Finding = tuple[_Path, str]

#: What the key values of physical allocations measure.
_KEYS = {"mass": "mass", "energy": "energy"}


def problems(file: model.FacilityFile) -> Iterator[_Finding]:
    """Yield each reason why a product cannot be used, with its path."""
    counted = {source.id: source for source in file.production}
    for i, product in enumerate(file.products):
        for key, reason in _of_product(file, product, counted):
            yield ("products", i, key), reason
    yield from _shares(file)


def _of_product(
    file: model.FacilityFile, product: model.Product, counted: dict[str, model.ProductionSource]
) -> Iterator[tuple[str, str]]:
    try:
        quantity = quantity_of(product.unit)
    except UnitError as error:
        yield "unit", str(error)
        return
    for key, reference, unit in _counted(product):
        if reason := why_not_counted(file, counted[reference], product.id, unit):
            yield key, reason
    yield from _sources(file, product)
    if reason := _why_no_footprint(product, quantity):
        yield "footprint", reason
    for shared in product.shared:
        if reason := _why_no_key(shared.method, shared.unit):
            yield "shared", reason
    if product.batch_channel is not None:
        batches = _why_no_batches(file, product.batch_channel)
        if batches is not None:
            yield "batch_channel", batches


def _counted(product: model.Product) -> Iterator[tuple[str, str, str]]:
    """Find the channels that are counted: the key that names each, and the unit it is told in."""
    for reference in product.production:
        yield "production", reference, product.unit
    for precursor in product.precursors:
        yield "precursors", precursor.consumption, precursor.unit
    for deduction in () if product.cbam is None else product.cbam.deductions:
        yield "cbam", deduction.channel, deduction.unit


def _sources(file: model.FacilityFile, product: model.Product) -> Iterator[tuple[str, str]]:
    checks = {source.check for source in file.sources}
    names = {source.id for source in file.sources}
    removals = {source.id for source in file.sources if source.removal is not None}
    heat = () if product.cbam is None else product.cbam.heat
    of_product = {part.source for part in product.allocations}
    for source in heat:
        if source not in {s.id for s in file.sources if s.scope == 2} & of_product:
            yield "cbam", f"heat names {source}, which is no source of scope 2 of {product.id}"
    for key, source in (
        *(("sources", source) for source in product.sources),
        *(("shared", shared.source) for shared in product.shared),
    ):
        if source not in names:
            yield key, f"there is no source {source!r}{did_you_mean(source, names)}"
        elif source in checks:
            yield key, f"{source} only checks another source, and counts in no sum: name that one"
        elif source in removals:
            yield (
                key,
                f"{source} removes CO2, which no figure by unit takes into account: remove it",
            )


def _why_no_footprint(product: model.Product, quantity: str) -> str | None:
    """Return why a product can have no footprint; None: it can, or asks for none."""
    if product.footprint is None:
        return None
    declared = declared_unit(product.unit)
    if declared is None:
        return f"a footprint is by kg, kWh, m3 or piece, and {product.unit} measures {quantity}"
    if declared.name != "kilogram" and product.footprint.mass_kg is None:
        return f"mass_kg is missing: the kg of one {product.unit}, 0 for energy"
    return None


def _why_no_batches(file: model.FacilityFile, reference: str) -> str | None:
    """Return why a channel cannot tell batches; None: it can."""
    channel = file.channel(reference)
    if channel is None:
        return f"there is no channel {reference!r}{_meant(reference, file)}"
    if channel.kind not in {"gauge", "event"}:
        return (
            f"{reference} is neither a gauge nor an event channel: no value of it is the number of"
            " a batch"
        )
    return None


def _meant(reference: str, file: model.FacilityFile) -> str:
    return did_you_mean(reference, file.channel_references())


def why_not_counted(
    file: model.FacilityFile, source: model.ProductionSource, whom: str, told_in: str
) -> str | None:
    """Return why a channel cannot count for a product or the like; None: it can.

    ``told_in``: the unit that its amounts are wanted in.
    """
    named = file.channel(source.input)
    if named is None:
        return (
            f"there is no channel {source.input!r} among this file's devices"
            f"{_meant(source.input, file)}"
        )
    if named.direction == "both":
        return (
            f"{source.input} tells two directions apart: name a channel that counts only one of"
            " them"
        )
    channels = {role: file.channel(reference) for role, reference in source.channels.items()}
    known = {role: channel for role, channel in channels.items() if channel is not None}
    if len(known) < len(channels) or (named.kind == "derived") != (source.derived is not None):
        return None  # the check of the derived channel says so
    try:
        unit = assemble.method(source, known, (), file.facility.timezone).activity_unit
        unit_ratio(unit or "", told_in)
    except (ConfigurationError, UnitError) as error:
        return f"{source.input} cannot be counted for {whom}: {error}"
    return None


def _why_no_key(method: str, unit: str | None) -> str | None:
    if method not in _KEYS or unit is None:
        return None
    try:
        quantity = quantity_of(unit)
    except UnitError as error:
        return str(error)
    if quantity != _KEYS[method]:
        return f"keys of method: {method} are a {_KEYS[method]}, and {unit} is a unit of {quantity}"
    return None


def _shares(file: model.FacilityFile) -> Iterator[_Finding]:
    shares = [(product.id, product.allocations) for product in file.products]
    for source, day, products in too_much(shares):
        since = "" if day is None else f" from {day} on"
        index = next(i for i, p in enumerate(file.products) if p.id == products[-1])
        yield (
            ("products", index, "shared"),
            (
                f"more than the whole of {source} is shared out{since}, to {', '.join(products)}: a"
                " source is wholly one product's, or its shares come to 100 % at most, one for each"
                " product at a time"
            ),
        )
