"""Global warming potentials over 100 years, by IPCC assessment report.

AR4: Working Group I (2007), table 2.14. AR5: Working Group I (2013), table 8.A.1. AR6: Working
Group I (2021), table 7.15. Values as in the GHG Protocol's "IPCC Global Warming Potential Values"
(August 2024).

AR5 and AR6 tell methane of fossil origin, whose carbon is new to the air as CO2 when it decays,
from other methane. Where a fuel is burned, all its carbon is already counted as CO2 by its CO2
factor, so combustion methane takes the lower value whatever the fuel; the fossil one is for
fugitive and process methane.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

_OTHER_GASES = Path(__file__).parent / "factor_data" / "gwp.csv"

GwpName = Literal["AR4", "AR5", "AR6"]
MethaneOrigin = Literal["fossil", "non-fossil"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GwpSet:
    """kg CO2e per kg of gas."""

    name: GwpName
    ch4_fossil: float
    ch4_non_fossil: float
    n2o: float
    citation: str

    def ch4(self, origin: MethaneOrigin) -> float:
        """Return the value for methane of that origin."""
        return self.ch4_fossil if origin == "fossil" else self.ch4_non_fossil


AR4 = GwpSet(
    name="AR4", ch4_fossil=25.0, ch4_non_fossil=25.0, n2o=298.0,
    citation="IPCC AR4 WG I (2007), table 2.14",
)  # fmt: skip
AR5 = GwpSet(
    name="AR5", ch4_fossil=30.0, ch4_non_fossil=28.0, n2o=265.0,
    citation="IPCC AR5 WG I (2013), table 8.A.1",
)  # fmt: skip
AR6 = GwpSet(
    name="AR6", ch4_fossil=29.8, ch4_non_fossil=27.0, n2o=273.0,
    citation="IPCC AR6 WG I (2021), table 7.15",
)  # fmt: skip

GWP_SETS: dict[str, GwpSet] = {gwp_set.name: gwp_set for gwp_set in (AR4, AR5, AR6)}


def gwp_set(name: str | None) -> GwpSet:
    """Return the set of that name; None: the newest."""
    return AR6 if name is None else GWP_SETS[name]


def co2e_kg(
    co2_kg: float,
    ch4_kg: float = 0.0,
    n2o_kg: float = 0.0,
    *,
    gases: Iterable[tuple[str, float]] = (),
    gwp: GwpSet = AR6,
    ch4_origin: MethaneOrigin = "non-fossil",
) -> float:
    """CO2e in kg of masses in kg; "non-fossil" also stands for all combustion methane.

    ``gases``: others by name; KeyError for no such gas.
    """
    combustion = co2_kg + ch4_kg * gwp.ch4(ch4_origin) + n2o_kg * gwp.n2o
    return combustion + sum(kg * potential(gas, gwp) for gas, kg in gases)


def potential(gas: str, gwp: GwpSet = AR6) -> float:
    """Return kg CO2e per kg of a gas other than CO2, CH4 and N2O; KeyError for no such gas."""
    return potentials()[gas][gwp.name]


@cache
def potentials() -> Mapping[str, Mapping[GwpName, float]]:
    """Read the potentials of refrigerants, SF6, NF3 and their like, by gas and report."""
    with _OTHER_GASES.open(encoding="utf-8", newline="") as file:
        return {
            row["gas"]: {
                "AR4": float(row["AR4"]),
                "AR5": float(row["AR5"]),
                "AR6": float(row["AR6"]),
            }
            for row in csv.DictReader(file, strict=True)
        }
