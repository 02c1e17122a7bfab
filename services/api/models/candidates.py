"""Bodies about devices that nobody registered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer
from services.api.models.facility_files import FileDifference


class CandidateChannel(Answer):
    """A number of a device as the channel that it could be."""

    id: str = Field(examples=["energy"])
    topic: str = Field(examples=["shellyplus1pm-a8032abe54dc/events/rpc"])
    path: str = Field(
        examples=['params."switch:0".aenergy.total'],
        description="`from` of a channel: JMESPath, `@` for the whole payload, or a record's name",
    )
    name: str = Field(examples=["aenergy total"], description="as the device calls it")
    quantity: str | None = Field(examples=["energy"], description="`null`: its unit is unknown")
    unit: str | None = Field(examples=["Wh"], description="`null`: nothing says it")
    is_sure: bool = Field(
        examples=[True],
        description="the device or its maker says the unit; else it is what most mean by that name",
    )
    kind: Literal["counter", "gauge"] = Field(
        examples=["counter"], description="announced, documented, or learned from its values"
    )
    included: bool = Field(
        examples=[True], description="it is adopted unless the channels are chosen"
    )
    is_export: bool = Field(examples=[False], description="energy that flows out, by its name")
    last: float | None = Field(examples=[1003.0], description="`null`: announced, not yet heard")
    messages: int = Field(examples=[12], description="that had it")
    rises: int = Field(examples=[11], description="how often it was higher than before")
    falls: int = Field(examples=[0], description="how often it was lower")


class Candidate(Answer):
    """A device that is heard at the broker and in no facility file; nothing of it counts."""

    id: int = Field(examples=[2])
    label: str = Field(examples=["shellyplus1pm-a8032abe54dc"], description="as it calls itself")
    family: str = Field(examples=["shelly-gen2"], description="how its messages are read")
    reason: str | None = Field(
        examples=["tele/.../SENSOR, 2 of 2 values as pow1 of tasmota"],
        description="why it is that family's, if its messages were compared with the files of"
        " families: topic, values of the channels there, and which families fit less",
    )
    device: str = Field(
        examples=["shellyplus1pm-a8032abe54dc"], description="id that it gets unless one is chosen"
    )
    facility: str | None = Field(
        examples=[None], description="whose topics it uses; `null`: topics of its own"
    )
    state: Literal["open", "adopted", "dismissed"] = Field(examples=["open"])
    first_seen: datetime = Field(examples=["2026-11-29T21:58:04Z"])
    last_seen: datetime = Field(examples=["2026-11-29T22:20:07Z"])
    messages: int = Field(examples=[12], description="with numbers, since it was first seen")
    stored: int = Field(
        examples=[12],
        description="messages that are replayed when it is adopted; of a device at a facility's"
        " topics those that lie in quarantine are replayed",
    )
    let_go: int = Field(examples=[0], description="older messages, which made room")
    channels: list[CandidateChannel] = Field(description="those that are included first")


class Adopted(Answer):
    """What adopting a device changed."""

    facility: str = Field(examples=["linz"])
    device: str = Field(examples=["fridge"])
    text_difference: str = Field(
        examples=["--- before\n+++ after\n"], description="of the facility's file, a unified diff"
    )
    changes: list[str] = Field(examples=[["+ device fridge"]])
    differences: list[FileDifference] = Field(
        examples=[[{"place": "device fridge", "before": None, "after": "{id: fridge, ...}"}]],
        description="values that the file states otherwise than before",
    )
    warnings: list[str] = Field(
        examples=[[]], description="configuration that is valid but may be unintended"
    )
    replayed: int = Field(
        examples=[12], description="stored messages that ingest replays, within seconds"
    )
    dry_run: bool = Field(
        examples=[False], description="true: nothing was changed; this is what would change"
    )


class Dismissed(Answer):
    """A device that is listed no longer."""

    id: int = Field(examples=[2])
    state: Literal["dismissed"] = Field(examples=["dismissed"])
