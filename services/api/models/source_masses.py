"""What sources emitted by interval, as matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.api.models.bands import kg_column
from services.core.store.answers.emissions import EmissionColumns

Floats = NDArray[np.float64]


def source_masses(
    columns: EmissionColumns | None, mass: str, *, sources: int, buckets: int
) -> tuple[Floats, Floats]:
    """Return kg and the known time in ms, by source and bucket; 0 where nothing is known."""
    kg, known_ms = np.zeros((sources, buckets)), np.zeros((sources, buckets))
    if columns is not None:
        cell = (columns.source, columns.bucket)
        kg[cell] = np.where(columns.known, kg_column(columns.masses_ug[mass]), 0.0)
        known_ms[cell] = np.maximum(0, np.sum(list(columns.methods_ms.values()), axis=0))
    return kg, known_ms
