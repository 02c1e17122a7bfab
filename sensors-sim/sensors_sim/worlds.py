"""The simulated facilities: their devices, and the sources that their emissions belong to.

The facility files in ``deploy/demo`` describe the same facilities to tonne, factor by factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sensors_sim.devices import Channel, Device
from sensors_sim.ids import checked
from sensors_sim.noise import Noise
from sensors_sim.registers import LoadProfile, Register
from sensors_sim.signals import Signal

METER_INTERVAL_S = 10
STACK_INTERVAL_S = 5
QUARTER_HOUR_S = 900
#: 2026-01-01T00:00:00Z
_YEAR_2026_MS = 1_767_225_600_000

_WORKS_HOURS = (
    *(0.55, 0.53, 0.52, 0.52, 0.58, 0.80, 1.15, 1.40, 1.48, 1.50, 1.48, 1.42),
    *(1.30, 1.38, 1.45, 1.42, 1.32, 1.15, 0.98, 0.88, 0.80, 0.72, 0.64, 0.58),
)
_HOME_HOURS = (
    *(0.60, 0.52, 0.48, 0.46, 0.48, 0.62, 0.95, 1.20, 1.05, 0.90, 0.88, 0.95),
    *(1.05, 0.98, 0.90, 0.92, 1.05, 1.40, 1.75, 1.85, 1.65, 1.35, 1.05, 0.80),
)
_STEADY_HOURS = (1.0,) * 24
_WORKS_WEEK = (1.10, 1.14, 1.15, 1.13, 1.06, 0.76, 0.66)
_HOME_WEEK = (0.97, 0.96, 0.96, 0.97, 1.00, 1.07, 1.07)


@dataclass(frozen=True, kw_only=True)
class Factor:
    """Kilograms of CO2 for each unit of activity, in steps: (valid from in epoch ms, kg)."""

    steps: tuple[tuple[int, float], ...]

    def at(self, ts_ms: int) -> float:
        """Return the kilograms a unit that are valid at an instant."""
        return next(kg for start_ms, kg in reversed(self.steps) if start_ms <= ts_ms)


@dataclass(frozen=True, kw_only=True)
class ActivitySource:
    """A source whose CO2 is an amount (energy, gas) times a factor."""

    id: str
    device: str
    channel: str
    factor: Factor


@dataclass(frozen=True, kw_only=True)
class StackSource:
    """A source whose CO2 is measured: concentration times flow, both wet."""

    id: str
    device: str
    co2: str
    flow: str


Source = ActivitySource | StackSource


@dataclass(frozen=True, kw_only=True)
class Facility:
    """A site with its devices and sources."""

    id: str
    devices: tuple[Device, ...]
    sources: tuple[Source, ...]


_WORKS_GRID = Factor(steps=((0, 0.25), (_YEAR_2026_MS, 0.20)))
_WORKS_GAS = Factor(steps=((0, 1.98),))
_CAMPUS_GRID = Factor(steps=((0, 0.3),))


def _power(register: Register, noise: Noise) -> Callable[[int], float]:
    return lambda ts_ms: round(register.load(ts_ms) * (1.0 + 0.01 * noise.at(ts_ms)), 1)


def _meter(facility: str, device: str, profile: LoadProfile, start: float, seed: int) -> Device:
    noise = Noise.named(seed, facility, device)
    register = Register(profile=profile, noise=noise, start=start)
    power = _power(register, Noise.named(seed, facility, device, "power"))
    return Device(
        facility=facility,
        id=device,
        interval_s=METER_INTERVAL_S,
        channels=(
            Channel(id="import-energy", kind="counter", unit="kWh", read=register.reading),
            Channel(id="import-power", kind="gauge", unit="kW", read=power),
        ),
    )


def _gas_meter(facility: str, device: str, profile: LoadProfile, start: float, seed: int) -> Device:
    register = Register(profile=profile, noise=Noise.named(seed, facility, device), start=start)
    volume = Channel(id="volume", kind="counter", unit="m3", read=register.reading)
    return Device(facility=facility, id=device, interval_s=METER_INTERVAL_S, channels=(volume,))


def _interval_meter(facility: str, device: str, profile: LoadProfile, seed: int) -> Device:
    register = Register(profile=profile, noise=Noise.named(seed, facility, device))

    def amount(ts_ms: int) -> float:
        end_ms = ts_ms + QUARTER_HOUR_S * 1000
        return round(register.reading(end_ms) - register.reading(ts_ms), 3)

    energy = Channel(id="energy", kind="interval", unit="kWh", read=amount, length_s=QUARTER_HOUR_S)
    return Device(facility=facility, id=device, interval_s=QUARTER_HOUR_S, channels=(energy,))


def _stack(facility: str, device: str, seed: int) -> Device:
    def noise(channel: str) -> Noise:
        return Noise.named(seed, facility, device, channel)

    co2 = Signal(
        noise=noise("co2"), mean=12.4, daily=0.25, slow=0.35, fast=0.12,
        low=5.0, high=20.0, decimals=3,
    )  # fmt: skip
    flow = Signal(
        noise=noise("flow"), mean=1_740_000, daily=70_000, slow=55_000, fast=15_000,
        low=200_000, high=2_400_000, decimals=0,
    )  # fmt: skip
    h2o = Signal(
        noise=noise("h2o"), mean=9.6, daily=0.2, slow=0.5, fast=0.1, low=2.0, high=20.0, decimals=2
    )
    return Device(
        facility=facility,
        id=device,
        interval_s=STACK_INTERVAL_S,
        channels=(
            Channel(id="co2", kind="gauge", unit="%", read=co2.value),
            Channel(id="flow", kind="gauge", unit="scf/h", read=flow.value),
            Channel(id="h2o", kind="gauge", unit="%", read=h2o.value),
        ),
    )


def _works(facility: str, names: tuple[str, str, str, str], seed: int) -> Facility:
    hall_1, hall_2, gas, stack = names
    hall = LoadProfile(mean_per_hour=420.0, hours=_WORKS_HOURS, weekdays=_WORKS_WEEK)
    presses = LoadProfile(
        mean_per_hour=185.0, hours=_WORKS_HOURS, weekdays=_WORKS_WEEK, roughness=0.3
    )
    boiler = LoadProfile(mean_per_hour=62.0, hours=_WORKS_HOURS, weekdays=_WORKS_WEEK, winter=0.55)
    return Facility(
        id=facility,
        devices=(
            _meter(facility, hall_1, hall, 18_234.125, seed),
            _meter(facility, hall_2, presses, 4_310.5, seed),
            _gas_meter(facility, gas, boiler, 905.25, seed),
            _stack(facility, stack, seed),
        ),
        sources=(
            ActivitySource(
                id="grid-hall-1", device=hall_1, channel="import-energy", factor=_WORKS_GRID
            ),
            ActivitySource(
                id="grid-hall-2", device=hall_2, channel="import-energy", factor=_WORKS_GRID
            ),
            ActivitySource(id="boiler", device=gas, channel="volume", factor=_WORKS_GAS),
            StackSource(id="stack", device=stack, co2="co2", flow="flow"),
        ),
    )


def _campus(facility: str, seed: int) -> Facility:
    grid = LoadProfile(
        mean_per_hour=96.0, hours=_WORKS_HOURS, weekdays=_WORKS_WEEK, winter=-0.2, utc_offset_h=8
    )
    homes = LoadProfile(
        mean_per_hour=38.0, hours=_HOME_HOURS, weekdays=_HOME_WEEK, winter=0.15, utc_offset_h=8
    )
    meter, house = "delta-meter-1", "delta-homes-1"
    return Facility(
        id=facility,
        devices=(
            _meter(facility, meter, grid, 51_200.0, seed),
            _interval_meter(facility, house, homes, seed),
        ),
        sources=(
            ActivitySource(
                id="campus-grid", device=meter, channel="import-energy", factor=_CAMPUS_GRID
            ),
            ActivitySource(id="homes", device=house, channel="energy", factor=_CAMPUS_GRID),
        ),
    )


def aschach(seed: int) -> Facility:
    """Return the works of ``deploy/demo/aschach.yaml``."""
    return _works("aschach", ("meter-hall-1", "meter-hall-2", "gas-meter-2", "cems-2"), seed)


def delta_campus(seed: int) -> Facility:
    """Return the campus of ``deploy/demo/delta-campus.yaml``."""
    return _campus("delta-campus", seed)


def plant(facility: str, seed: int) -> Facility:
    """Return a works like ``aschach`` under any id; its devices carry the id as a prefix."""
    names = ("meter-1", "meter-2", "gas-1", "stack-1")
    checked(facility, "facility")
    a, b, c, d = (checked(f"{facility}-{name}", "device") for name in names)
    return _works(facility, (a, b, c, d), seed)


def chosen(profile: str, facility: str | None, seed: int) -> tuple[Facility, ...]:
    """Return the facilities of a profile; a demo facility's id always means that facility.

    Raises:
        ValueError: the demo has no such facility.

    """
    demo = (aschach(seed), delta_campus(seed))
    if facility is None:
        return demo if profile == "demo" else (plant("plant", seed),)
    known = tuple(one for one in demo if one.id == facility)
    if known or profile == "plant":
        return known or (plant(facility, seed),)
    ids = ", ".join(one.id for one in demo)
    raise ValueError(
        f"the demo does not simulate {facility!r}: choose one of {ids}, or add --profile plant"
    )
