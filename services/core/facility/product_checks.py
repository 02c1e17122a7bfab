"""What must hold of products so that emissions can be divided by what is made of them."""

from __future__ import annotations

from collections.abc import Iterator

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.intensity.allocation import too_much
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
        quantity_of(product.unit)
    except UnitError as error:
        yield "unit", str(error)
        return
    for reference in product.production:
        if reason := _why_not(file, product, counted[reference]):
            yield "production", reason
    yield from _sources(file, product)
    for shared in product.shared:
        if reason := _why_no_key(shared.method, shared.unit):
            yield "shared", reason
    if product.batch_channel is not None:
        batches = _why_no_batches(file, product.batch_channel)
        if batches is not None:
            yield "batch_channel", batches


def _sources(file: model.FacilityFile, product: model.Product) -> Iterator[tuple[str, str]]:
    checks = {source.check for source in file.sources}
    names = {source.id for source in file.sources}
    for key, source in (
        *(("sources", source) for source in product.sources),
        *(("shared", shared.source) for shared in product.shared),
    ):
        if source not in names:
            yield key, f"there is no source {source!r}{did_you_mean(source, names)}"
        elif source in checks:
            yield key, f"{source} only checks another source, and counts in no sum: name that one"


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


def _why_not(
    file: model.FacilityFile, product: model.Product, source: model.ProductionSource
) -> str | None:
    """Return why a channel cannot count a product; None: it can."""
    named = file.channel(source.input)
    if named is None:
        return (
            f"there is no channel {source.input!r} among this file's devices"
            f"{_meant(source.input, file)}"
        )
    if named.direction == "both":
        return (
            f"{source.input} tells two directions apart: name a channel that counts only what is"
            " made"
        )
    channels = {role: file.channel(reference) for role, reference in source.channels.items()}
    known = {role: channel for role, channel in channels.items() if channel is not None}
    if len(known) < len(channels) or (named.kind == "derived") != (source.derived is not None):
        return None  # the check of the derived channel says so
    try:
        unit = assemble.method(source, known, (), file.facility.timezone).activity_unit
        unit_ratio(unit or "", product.unit)
    except (ConfigurationError, UnitError) as error:
        return f"{source.input} cannot count {product.id}: {error}"
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
