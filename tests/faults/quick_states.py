"""Lets an aggregator of the rounds of hard states close and pack an hour as soon as it is asked to.

Imported by the process itself, as :mod:`tests.faults.quick_packing`, from which it has the rest; a
clock that jumps is believed as late as it always is.
"""

from __future__ import annotations

from services.aggregator import close_hours, minute_rollover
from services.core.runtime.steady_time import BELIEVED_AFTER_S, SteadyTime
from tests.faults import quick_packing

assert quick_packing
#: An hour that changed a moment ago counts as filled.
minute_rollover.SETTLE_S = close_hours.SETTLE_S = 0.0
SteadyTime.__init__.__kwdefaults__["believed_after_s"] = BELIEVED_AFTER_S
SteadyTime.steady = property(lambda clock: not clock.is_frozen)  # type: ignore[method-assign, assignment]
