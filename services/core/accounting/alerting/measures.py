"""What can be watched."""

from __future__ import annotations

from typing import Literal

Measure = Literal[
    "rate", "total", "value", "average", "coverage", "silence", "quarantine", "budget"
]
