"""What is told: one transition of an alert, a test, or a heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

#: Kinds that are no transition of an alert.
TEST = "test"
HEARTBEAT = "heartbeat"
#: The kind after which an alert fires no more.
RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message to one recipient."""

    #: the same for every delivery of this message: a receiver that knows it has had it
    key: str
    #: firing, resolved or another transition of an alert; or test, heartbeat
    kind: str
    facility: str
    #: what happened: the alert as the API shows it
    body: dict[str, Any]
    #: when it was decided that this is to be told
    created_at: datetime
    #: the environment variable with the secret that a webhook's message is signed by
    secret_env: str | None = None
    #: whether that secret is granted to the facility
    may_sign: bool = False

    @property
    def threshold(self) -> str | None:
        """Id of the threshold that the alert belongs to."""
        found = self.body.get("threshold")
        return found if isinstance(found, str) else None

    def payload(self) -> bytes:
        """The message as JSON; equal for every delivery."""
        return msgspec.json.encode(
            {
                **self.body,
                "key": self.key,
                "kind": self.kind,
                "facility": self.facility,
                "created_at": rfc3339(self.created_at),
            }
        )


def rfc3339(instant: datetime) -> str:
    """An instant in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
