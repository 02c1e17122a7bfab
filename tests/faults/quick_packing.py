"""Lets an aggregator of the fault rounds pack what has just come, and look for it all the time.

Imported by the process itself (``TESTS_IMPORT``, see :mod:`tests.forker`). Nothing else differs but
that its clock is believed at once.
"""

from __future__ import annotations

from datetime import timedelta

from services.aggregator import packing
from services.core.runtime.steady_time import SteadyTime

packing._REST_S = 0.2  # type: ignore[misc]
packing.Packing.__init__.__kwdefaults__["quiet"] = timedelta(0)
SteadyTime.__init__.__kwdefaults__["believed_after_s"] = 0.0
