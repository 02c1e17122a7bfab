"""What fuzzing a target begins with: what is kept, what makers document, what our pages show."""

from __future__ import annotations

from services.core.facility.families.catalogue import families
from tests.examples import all_examples
from tests.fuzz.targets import corpus

#: Which examples of the documentation a target reads.
_LANGUAGES = {
    "native": "json",
    "json": "json",
    "bodies": "json",
    "tables": "csv",
    "facility_files": "yaml",
    "table_files": "yaml",
}


def seeds(name: str) -> list[bytes]:
    """The inputs to begin with, the shortest first."""
    found = set(corpus(name))
    if name in _LANGUAGES:
        found |= {example.text.encode() for example in all_examples(_LANGUAGES[name])}
    if name in {"json", "families", "senml", "lines", "unknown_devices"}:
        messages = [message for family in families() for message in family.messages()]
        if name == "unknown_devices":
            found |= {
                f"{message.topic} {' '.join(message.payload.split())}".encode()
                for message in messages
            }
        else:
            found |= {message.payload.encode() for message in messages}
    return sorted(found, key=lambda payload: (len(payload), payload))
