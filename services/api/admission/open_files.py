"""How many files the process may have open: each connection is one."""

from __future__ import annotations

import resource
from typing import Final

import structlog

log = structlog.get_logger()

#: What is open beside connections of clients: the database, libraries, logs.
_OTHERS: Final = 200
#: Where the system has no limit.
_PLENTY: Final = 1 << 20


def connections_allowed(wanted: int) -> int:
    """Raise the limit as far as the system allows; return how many connections fit, or ``wanted``.

    The limit that a shell gives is often 1 024, and what may be given 500 times that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _PLENTY if hard == resource.RLIM_INFINITY else hard
    needed = wanted + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < min(needed, allowed):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, allowed), hard))
    if needed > allowed:
        log.warning("few_open_files", allowed=allowed, connections=allowed - _OTHERS, wanted=wanted)
        return max(1, allowed - _OTHERS)
    return wanted
