"""What must hold of contracts and certificates so that a load can be matched with them."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.factors import ConfigurationError, Factor
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import UnitError, unit
from services.core.facility import model
from services.core.facility.assemble_electricity import is_in_force
from services.core.facility.product_checks import why_not_counted

_Path = tuple[str | int, ...]
_Finding = tuple[_Path, str]

_WHOLE_PERCENT: Final = 100

#: Finds the versions of a factor in force.
Versions = Callable[[str], Sequence[Factor]]


def problems(file: model.FacilityFile, versions: Versions) -> Iterator[_Finding]:
    """Yield each reason why the facility's electricity cannot be matched, with its path."""
    electricity = file.electricity
    if electricity is None:
        return
    path = ("electricity",)
    yield from _sources(file, electricity)
    for i, contract in enumerate(electricity.contracts):
        if reason := _why_no_factor(contract, versions):
            yield (*path, "contracts", i, "factor"), reason
    names = {contract.id for contract in electricity.contracts}
    for i, certificate in enumerate(electricity.certificates):
        if certificate.contract not in names:
            meant = did_you_mean(certificate.contract, names)
            reason = f"there is no contract {certificate.contract!r}{meant}"
            yield (
                (*path, "certificates", i, "contract"),
                f"certificate {certificate.id}: {reason}",
            )
        made = certificate.month or (certificate.hour and certificate.hour.date())
        if certificate.retired and made and certificate.retired < made:
            yield (
                (*path, "certificates", i, "retired"),
                f"certificate {certificate.id} cannot be retired before it was made",
            )
    yield from _channels(file, electricity)
    strict = next((rule.policy for rule in electricity.policies if rule.policy.same_zone), None)
    if strict is not None and electricity.zone is None and electricity.contracts:
        reason = (
            f"match: {strict.name} counts contracts of the facility's own zone only: add zone, such"
            " as zone: AT, to electricity and to contracts of another one"
        )
        yield (*path, "match"), reason


def warnings(file: model.FacilityFile) -> Iterator[str]:
    """List what can be matched and may still surprise."""
    electricity = file.electricity
    if electricity is None:
        return
    policies = [rule.policy for rule in electricity.policies]
    for contract in electricity.contracts:
        if contract.zone in {None, electricity.zone}:
            continue
        for policy in policies:
            if policy.same_zone:
                yield (
                    f"contract {contract.id} feeds into {contract.zone}, and by {policy.name} it"
                    f" supplies nothing in {electricity.zone}"
                )
    by_hour = [policy.name for policy in policies if policy.period == "hour"]
    unplaced = {
        certificate.contract for certificate in electricity.certificates if certificate.month
    }
    for contract in electricity.contracts:
        if by_hour and contract.id in unplaced and contract.is_told_by_certificates:
            yield (
                f"contract {contract.id}: certificates of a month have no hour, and count for"
                f" nothing while match is {by_hour[0]}"
            )
    yield from _warnings_of_terms(file, electricity)
    yield from _warnings_of_shares(electricity)
    for source in loads(file):
        if electricity.contracts and source.market_factor is None:
            yield (
                f"{source.id} has no market_factor: what no contract supplies counts by"
                f" {source.factor}, not by a residual mix"
            )


def _warnings_of_terms(file: model.FacilityFile, electricity: model.Electricity) -> Iterator[str]:
    contracts = {contract.id: contract for contract in electricity.contracts}
    zone = ZoneInfo(file.facility.timezone)
    for certificate in electricity.certificates:
        contract = contracts.get(certificate.contract)
        first, last = _days_made(certificate, zone)
        if contract is not None and not (
            (contract.from_ or date.min) <= last and first < (contract.to or date.max)
        ):
            yield (
                f"certificate {certificate.id} was made on days on which contract {contract.id} is"
                " not in force, and counts for nothing: correct its time or contract, or the days"
                " of the contract"
            )


def _days_made(certificate: model.Certificate, zone: ZoneInfo) -> tuple[date, date]:
    """Return the first and the last local day on which what it is for can have been made."""
    if certificate.month is None:
        assert certificate.hour is not None  # noqa: S101 - it has one of both
        day = certificate.hour.astimezone(zone).date()
        return day, day
    days = monthrange(certificate.month.year, certificate.month.month)[1]
    return certificate.month, certificate.month.replace(day=days)


def _warnings_of_shares(electricity: model.Electricity) -> Iterator[str]:
    shared = [contract for contract in electricity.contracts if contract.share is not None]
    for day in sorted({contract.from_ or date.min for contract in shared}):
        meanwhile = [contract for contract in shared if is_in_force(contract, day)]
        percent = sum(contract.share or 0.0 for contract in meanwhile)
        if percent > _WHOLE_PERCENT:
            since = "" if day == date.min else f" from {day} on"
            names = ", ".join(contract.id for contract in meanwhile)
            yield (
                f"contracts {names} have {percent:g} % of the load{since}: no more than the load"
                " counts, of those that stand first"
            )


def loads(file: model.FacilityFile) -> list[model.ActivitySource]:
    """Return the sources whose activity is electricity that was bought."""
    named = file.electricity.sources if file.electricity else ()
    return [
        source
        for source in file.sources
        if isinstance(source, model.ActivitySource)
        and source.scope == 2
        and (source.id in named if named else _is_energy(file, source))
    ]


def _sources(file: model.FacilityFile, electricity: model.Electricity) -> Iterator[_Finding]:
    path = ("electricity", "sources")
    sources = {source.id: source for source in file.sources}
    for name in electricity.sources:
        source = sources.get(name)
        if source is None:
            yield path, f"there is no source {name!r}{did_you_mean(name, sources)}"
        elif source.scope != 2 or not isinstance(source, model.ActivitySource):
            yield path, f"source {name} is not electricity that was bought: that is scope 2"
        elif not _is_energy(file, source):
            yield path, f"source {name} does not measure energy"
    if not electricity.sources and not loads(file):
        yield (
            ("electricity",),
            "there is no source of scope 2 whose activity is energy: nothing is to be matched",
        )


def _channels(file: model.FacilityFile, electricity: model.Electricity) -> Iterator[_Finding]:
    counted = {source.id: source for source in file.production}
    contracts = {contract.id: contract for contract in electricity.contracts}
    named: list[tuple[_Path, str, str]] = [
        (("contracts", i, "channel"), contract.channel, contract.id)
        for i, contract in enumerate(electricity.contracts)
        if contract.channel is not None
    ]
    for i, storage in enumerate(electricity.storage):
        named += [
            (("storage", i, "charge"), storage.charge, storage.id),
            (("storage", i, "discharge"), storage.discharge, storage.id),
        ]
        owner = contracts.get(storage.contract or "")
        if storage.contract is not None and (owner is None or owner.channel is None):
            meant = did_you_mean(storage.contract, contracts)
            reason = f"there is no contract {storage.contract!r}{meant}"
            if owner is not None:
                reason = f"{owner.id} has no channel: nothing tells what of it is stored"
            yield ("electricity", "storage", i, "contract"), f"storage {storage.id}: {reason}"
    for path, channel, whom in named:
        if why := why_not_counted(file, counted[channel], whom, "kWh"):
            yield ("electricity", *path), why


def _is_energy(file: model.FacilityFile, source: model.ActivitySource) -> bool:
    channel = file.channel(source.input)
    named = source.derived.unit if source.derived else channel.unit if channel else ""
    try:
        return unit(named).quantity in {"energy", "power"}
    except UnitError:
        return False


def _why_no_factor(contract: model.Contract, versions: Versions) -> str | None:
    if contract.factor is None:
        return None
    rows = versions(contract.factor)
    if not rows:
        return (
            f"contract {contract.id}: factor {contract.factor!r} is neither in this file nor built"
            " in nor imported"
        )
    if any(row.basis in {"gross", "net"} for row in rows):
        return (
            f"contract {contract.id}: {contract.factor} is the factor of a fuel; name one of"
            " electricity, kg per kWh that the plant feeds in"
        )
    try:
        for row in rows:
            co2_per_unit(row, "kWh")
    except (ConfigurationError, UnitError) as error:
        return f"contract {contract.id}: {contract.factor} is no factor of electricity: {error}"
    return None
