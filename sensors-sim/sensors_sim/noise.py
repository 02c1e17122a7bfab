"""Seeded noise that is a function of its index alone, so that any instant can be recomputed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_MASK = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True)
class Noise:
    """An endless, random-access series of numbers in [-1, 1)."""

    key: int

    @classmethod
    def named(cls, seed: int, *names: str) -> Noise:
        """Return the series that belongs to this seed and these names on every machine."""
        text = "/".join((str(seed), *names)).encode()
        return cls(key=int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big"))

    def at(self, index: int) -> float:
        """Return the value number ``index``: the finaliser of SplitMix64 over key and index."""
        z = (self.key + index * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) / (1 << 63) - 1.0

    def smooth(self, ts_ms: int, period_ms: int) -> float:
        """Return a value that wanders continuously, with a new aim every ``period_ms``."""
        index, offset = divmod(ts_ms, period_ms)
        x = offset / period_ms
        here, there = self.at(index), self.at(index + 1)
        return here + (there - here) * x * x * (3.0 - 2.0 * x)
