"""Months by their first day, and days since the epoch, in UTC."""

from __future__ import annotations

from datetime import date, timedelta

from services.core.timeline.instants import EPOCH


def first_day(month: date) -> int:
    """Return the day since the epoch that a month begins with."""
    return (month - EPOCH.date()).days


def month_of(day: int) -> date:
    """Return the first day of the month that a day since the epoch lies in."""
    return (EPOCH.date() + timedelta(days=day)).replace(day=1)


def month_after(month: date) -> date:
    """Return the month after one."""
    return (month + timedelta(days=32)).replace(day=1)
