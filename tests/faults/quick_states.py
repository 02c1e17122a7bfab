"""Lets an aggregator of the rounds of hard states close an hour as soon as it is asked to.

Imported by the process itself, as :mod:`tests.faults.quick_packing`, from which it has the rest.
"""

from __future__ import annotations

from services.aggregator import close_hours, minute_rollover
from tests.faults import quick_packing

assert quick_packing
#: An hour that changed a moment ago counts as filled.
minute_rollover.SETTLE_S = close_hours.SETTLE_S = 0.0
