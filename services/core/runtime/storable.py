"""What PostgreSQL takes as text: a reason may quote bytes that it does not."""

from __future__ import annotations

from typing import Any


def storable(text: str) -> str:
    """Strip NUL bytes and lone surrogates from a text."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def storable_state(state: Any) -> Any:
    """Strip every text in what is stored as JSON."""
    if isinstance(state, str):
        return storable(state)
    if isinstance(state, dict):
        return {key: storable_state(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [storable_state(value) for value in state]
    return state
