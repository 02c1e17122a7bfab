"""A client of an API on a real port, as patient as every other wait; httpx itself waits for 5 s."""

from __future__ import annotations

import httpx

from tests.patience import PATIENCE_S


def asking(address: str) -> httpx.AsyncClient:
    """Return a client of the API at an address."""
    return httpx.AsyncClient(base_url=address, timeout=PATIENCE_S)
