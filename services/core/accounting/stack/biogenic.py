"""The part of a stack's CO2 that is from biomass, stated by analyses or measured.

EU MRR (2018/2066), Art. 43: who emits biomass CO2 subtracts it from what the stack measures, by
analyses (Art. 32 to 39), by radiocarbon (EN ISO 13833) or by the balance method (ISO 18466).
40 CFR 98.33(e) tells it from the annual mass likewise. What is not known counts as fossil, so that
nothing that is missing lowers an emission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.series import Minutes
from services.core.accounting.units import Conversion

BIOGENIC = "biogenic"
"""Name among a source's channels of the one that measures the share."""


@dataclass(frozen=True, kw_only=True)
class BiogenicShare:
    """How the share is told: from minutes on, or by the channel `biogenic`.

    `stated`: shares from 0 to 1, each from a minute since the epoch on, ascending. `to_ratio`: from
    the channel's unit to a ratio; None: the share is stated.
    """

    stated: tuple[tuple[int, float], ...] = ()
    to_ratio: Conversion | None = None

    def stated_at(self, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the stated share of each minute, 0 before the first one and where none is."""
        begins = np.array([begin for begin, _ in self.stated], dtype=np.int64)
        shares = np.array([0.0, *(share for _, share in self.stated)])
        return shares[np.searchsorted(begins, minutes, side="right")]

    def shares_at(
        self, series: Mapping[str, Minutes], minutes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the share of each minute, and whether it is known; 0 where it is not.

        What is measured below 0 or above 1 is no share.
        """
        if self.to_ratio is None:
            return self.stated_at(minutes), np.ones(minutes.size, dtype=bool)
        value, covered_us = series[BIOGENIC].values_at(minutes)
        share = np.asarray(self.to_ratio(value), dtype=np.float64)
        known = (covered_us > 0) & (share >= 0) & (share <= 1)
        return np.where(known, share, 0.0), known
