"""When the figure of a base year is replaced by what is known of that year now."""

from __future__ import annotations


def is_replaced(in_force: float | None, known: float, *, percent: float) -> bool:
    """Return whether what is known of the base year replaces the figure in force.

    It does where there is none, or where both differ by ``percent`` of the one in force or more.
    A lesser difference is left: a path would move with every restatement.
    """
    if in_force is None:
        return True
    if in_force == 0:
        return known != 0
    return abs(known - in_force) * 100 >= percent * abs(in_force)
