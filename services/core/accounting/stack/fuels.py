"""F-factors by fuel: flue gas and CO2 volume per heat input (40 CFR 75 App. F, Table 1).

The table's own text was not at hand. Natural gas, propane, oil, bituminous, sub-bituminous and
lignite agree with public transcriptions of the same table in EPA Method 19; anthracite, butane,
wood bark and wood residue are unverified. All carbon factors are within 6.5 % of the default
emission factors of 40 CFR 98 Table C-1, which a test holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class FFactors:
    """One row of 40 CFR 75 App. F, Table 1."""

    fd_dscf_mmbtu: int
    """Dry flue gas volume at 0 % excess air, dscf/mmBtu."""
    fc_scf_mmbtu: int
    """CO2 volume, scf CO2/mmBtu."""


F_FACTORS: Mapping[str, FFactors] = MappingProxyType(
    {
        "anthracite": FFactors(fd_dscf_mmbtu=10_100, fc_scf_mmbtu=1_970),
        "bituminous": FFactors(fd_dscf_mmbtu=9_780, fc_scf_mmbtu=1_800),
        "sub-bituminous": FFactors(fd_dscf_mmbtu=9_820, fc_scf_mmbtu=1_840),
        "lignite": FFactors(fd_dscf_mmbtu=9_860, fc_scf_mmbtu=1_910),
        "oil": FFactors(fd_dscf_mmbtu=9_190, fc_scf_mmbtu=1_420),
        "natural-gas": FFactors(fd_dscf_mmbtu=8_710, fc_scf_mmbtu=1_040),
        "propane": FFactors(fd_dscf_mmbtu=8_710, fc_scf_mmbtu=1_190),
        "butane": FFactors(fd_dscf_mmbtu=8_710, fc_scf_mmbtu=1_250),
        "wood-bark": FFactors(fd_dscf_mmbtu=9_600, fc_scf_mmbtu=1_920),
        "wood-residue": FFactors(fd_dscf_mmbtu=9_240, fc_scf_mmbtu=1_830),
    }
)
"""Fuel name to F-factors."""


def f_factors(fuel: str) -> FFactors:
    """Return the F-factors of `fuel`; ValueError naming the known fuels if it has none."""
    try:
        return F_FACTORS[fuel]
    except KeyError:
        raise ValueError(
            f"no F-factors for the fuel '{fuel}'; name one of {', '.join(sorted(F_FACTORS))}"
        ) from None
