"""Which sources count by a factor that a newer figure is out or due for, and how much of a span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.factor_calendar import stale_factor
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.timeline.instants import to_us


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleSource:
    """Why a source should count by a newer figure, and from which midnight of its zone on."""

    why: str
    since: datetime


def stale_sources(
    accounts: Mapping[str, SourceAccount], zone: ZoneInfo, now: datetime
) -> dict[str, StaleSource]:
    """Find the sources of a facility that count by a stale factor, by their ids."""
    today = now.astimezone(zone).date()
    marks = {slug: stale_factor(account.factor_ages, today) for slug, account in accounts.items()}
    return {
        slug: StaleSource(why=mark.why, since=datetime.combine(mark.since, time(), zone))
        for slug, mark in marks.items()
        if mark is not None
    }


def share_stale(since: datetime, begins: datetime, ends: datetime) -> float:
    """Return the share of ``begins .. ends`` that lies at or after ``since``; 0 of no time."""
    if ends <= begins or ends <= since:
        return 0.0
    return 1.0 if since <= begins else (ends - since) / (ends - begins)


def share_stale_column(
    since: datetime, begins_us: NDArray[np.int64], ends_us: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return :func:`share_stale` of many spans of time."""
    since_us = to_us(since)
    length_us = np.maximum(1, ends_us - begins_us)
    share = np.where(since_us <= begins_us, 1.0, (ends_us - since_us) / length_us)
    return np.where((ends_us <= begins_us) | (ends_us <= since_us), 0.0, share)
