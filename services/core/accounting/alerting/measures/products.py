"""Measures of products: what is emitted for what is made."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Final

import numpy as np

from services.core.accounting.alerting.measures.measure import SHORT, Measure, Subject, WindowRule
from services.core.accounting.alerting.measures.values import Floats


class ProductMeasure(Measure):
    """A measure whose values follow from a product's emissions and amounts in a window."""

    subjects: ClassVar[frozenset[Subject]] = frozenset()
    windows: ClassVar[WindowRule | None] = SHORT
    has_product = True
    has_figure = True

    @abstractmethod
    def values(self, kg: Floats, amount: Floats) -> Floats:
        """Return the value in each minute from both sums of the window before; NaN: unknown."""


class Intensity(ProductMeasure):
    """Emissions of a window by unit of what was made in it; unknown where nothing was."""

    name = "intensity"
    unit = "kg/unit"
    unit_text = "kg of the figure by unit of the product"

    def values(self, kg: Floats, amount: Floats) -> Floats:
        """Divide one sum by the other."""
        is_made = amount > 0
        return np.where(is_made, kg / np.where(is_made, amount, 1.0), np.nan)


MEASURES: Final = (Intensity(),)
