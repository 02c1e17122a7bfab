"""A plant with limits: what is evaluated of it, and who is notified."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text

_ALERTS = """
SELECT t.slug, a.state, a.projected, a.fired_at, a.resolved_at, a.value, a.undone_at IS NOT NULL
FROM alert a JOIN threshold t ON t.id = a.threshold_id ORDER BY a.id
"""

_HISTORY = """
SELECT t.slug, h.at, h.state, h.projected, h.since
FROM alert_transition h JOIN threshold t ON t.id = h.threshold_id
WHERE h.undone_at IS NULL ORDER BY t.slug, h.at
"""


class Watch(Plant):
    """The plant with thresholds that have been in force for long."""

    def __init__(self, url: str, limits: str, *, since: datetime) -> None:
        super().__init__(url, FILE + limits)
        self._url = url
        self._since = since
        self.backdate()

    def backdate(self) -> None:
        self.connection.execute("UPDATE threshold SET in_force_from = %s", (self._since,))

    def restate(self, limits: str) -> None:
        """Apply the file with other limits."""
        apply_text(self._url, FILE + limits)
        self.backdate()

    def power(self, start: datetime, values: list[float | None], *, every_s: float = 60) -> None:
        """Readings of the gauge whose source emits 0.2 kg of each kWh."""
        self.store(
            [
                Reading("meter.power", start + timedelta(seconds=i * every_s), value)
                for i, value in enumerate(values)
            ]
        )

    def alerts(self) -> list[tuple[Any, ...]]:
        return self.rows(_ALERTS)

    def history(self, threshold: str | None = None) -> list[tuple[Any, ...]]:
        return [row for row in self.rows(_HISTORY) if threshold in {None, row[0]}]

    def states(self, threshold: str) -> list[tuple[str, str]]:
        """Clock times and states, as in ``10:02 firing``."""
        return [
            (f"{row[1]:%H:%M}", row[2] + (" projected" if row[3] else ""))
            for row in self.history(threshold)
        ]

    def notifications(self, target: str = "mqtt") -> list[tuple[str, str]]:
        return self.rows(
            "SELECT body ->> 'threshold', kind FROM outbox WHERE target = %s ORDER BY id".replace(
                "%s", f"'{target}'"
            )
        )
