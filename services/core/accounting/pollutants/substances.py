"""Substances that limits are about, and the mass of a mole of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.core.accounting.gas import mass_concentration_g_nm3


@dataclass(frozen=True, kw_only=True, slots=True)
class Substance:
    """What is emitted; `g_mol` None: it is no gas, and measured by mass alone."""

    name: str
    g_mol: float | None


#: Molar masses as the NIST Chemistry WebBook lists them, as CO2's is. Nitrogen oxides count as NO2
#: and organic carbon as carbon: Directive 2010/75/EU, Annexes V and VI.
SUBSTANCES: Mapping[str, Substance] = MappingProxyType(
    {
        name: Substance(name=name, g_mol=g_mol)
        for name, g_mol in (
            ("nox", 46.0055),
            ("so2", 64.064),
            ("co", 28.0101),
            ("dust", None),
            ("toc", 12.0107),
            ("hcl", 36.461),
            ("hf", 20.0063),
            ("nh3", 17.0305),
            ("hg", 200.59),
            ("n2o", 44.0128),
            ("ch4", 16.0425),
        )
    }
)


def mg_nm3_per_ppm(g_mol: float) -> float:
    """Return mg/Nm3 (0 degC, 101.325 kPa) of one ppm by volume, of an ideal gas."""
    return mass_concentration_g_nm3(1e-6, g_mol) * 1000
