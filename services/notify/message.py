"""What is sent: one transition of an alert, a test, or a heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

#: Of a body, what is told by the facility's clock too.
_INSTANTS = ("started_at", "fired_at", "resolved_at", "crosses_at")

#: Kinds other than transitions of alerts.
TEST = "test"
HEARTBEAT = "heartbeat"
#: The kind that ends an alert.
RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message to one recipient."""

    #: the same for every delivery of this message, so that receivers can drop repetitions
    key: str
    #: firing, resolved or another transition of an alert; or test, heartbeat
    kind: str
    facility: str
    #: what happened: the alert as the API shows it
    body: dict[str, Any]
    #: when it was put into the outbox
    created_at: datetime
    #: what people call the facility; None: the message is of no facility's own time
    facility_name: str | None = None
    #: IANA name, of the facility
    timezone: str | None = None
    #: where a browser shows the facility; None: nobody said under which address
    link: str | None = None
    #: the environment variable with the secret that signs a webhook's message
    secret_env: str | None = None
    #: whether that secret is granted to the facility
    may_sign: bool = False
    #: of who reads a mail
    language: str = "en"

    @property
    def threshold(self) -> str | None:
        """Return the id of the alert's threshold."""
        threshold = self.body.get("threshold")
        return threshold if isinstance(threshold, str) else None

    @property
    def details(self) -> dict[str, Any]:
        """Return the body, with the facility's name and time zone, its local times, and a link."""
        zone = None if self.timezone is None else ZoneInfo(self.timezone)
        known = {
            "facility_name": self.facility_name,
            "timezone": self.timezone,
            "link": self.link,
            **{
                f"{name}_local": datetime.fromisoformat(text).astimezone(zone).isoformat()
                for name in _INSTANTS
                if zone is not None and isinstance(text := self.body.get(name), str)
            },
        }
        return {**self.body, **{name: value for name, value in known.items() if value is not None}}

    def payload(self) -> bytes:
        """Return the message as JSON, equal for every delivery."""
        return msgspec.json.encode(
            {
                **self.details,
                "key": self.key,
                "kind": self.kind,
                "facility": self.facility,
                "created_at": rfc3339(self.created_at),
            }
        )


def rfc3339(instant: datetime) -> str:
    """Return an instant in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
