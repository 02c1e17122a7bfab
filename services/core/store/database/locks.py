"""Advisory locks that more than one process takes."""

from __future__ import annotations

from typing import Final

#: With a facility's id: whoever computes, or deletes, what follows from its readings.
FACILITY: Final = 0x746F6E
