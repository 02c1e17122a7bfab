"""The numbers live equations work on."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numeric: TypeAlias = float | NDArray[np.float64]
"""One value or one array of values; NaN is a missing value, never zero."""
