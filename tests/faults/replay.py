"""The one command that plays a round again."""

from __future__ import annotations


def command(kind: str, *, seed: int, number: int, more: str = "") -> str:
    """Return the command that plays round ``number`` of ``seed``, alone."""
    return f"make faults KIND={kind} SEED={seed} FIRST={number} ROUNDS=1{more}"


def failure(kind: str, what: object, *, seed: int, number: int, more: str = "") -> str:
    """Return what is printed of a round that failed."""
    return f"  FAILED {what}\n    again: {command(kind, seed=seed, number=number, more=more)}"
