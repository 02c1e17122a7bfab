"""The part of the schema that is devices which nobody registered; nothing of it counts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

device_candidate = Table(
    "device_candidate",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text, nullable=False, unique=True, comment="what tells devices apart"),
    Column("family", Text, nullable=False, comment="how its topics and payloads are read"),
    Column("label", Text, nullable=False, comment="as people call it"),
    Column("facility", Text, comment="that its topics name, or that adopted it"),
    Column("device", Text, comment="that its topics name, or that it became"),
    Column("first_seen", _instant, nullable=False),
    Column("last_seen", _instant, nullable=False),
    Column("messages", BigInteger, nullable=False, comment="with numbers, that were looked at"),
    Column("let_go", BigInteger, nullable=False, comment="of them, those no longer stored"),
    Column("learned", JSONB, nullable=False, comment="each number's course, and its announcement"),
    Column("worth", SmallInteger, nullable=False, comment="the least worth makes room for others"),
    Column("quarantine_id", BigInteger, comment="the last entry that was learned from"),
    Column("state", Text, nullable=False, server_default="open"),
    Column("topics", ARRAY(Text), comment="of an adopted device: those that it is heard at"),
    Column("settled_at", _instant),
    Column("settled_by", Text),
    Column("handed_over", Integer, comment="messages that became replays; null: not yet done"),
    CheckConstraint("state IN ('open', 'adopted', 'dismissed')", name="state"),
    comment="devices that are heard and in no facility file, and what they could be",
)

candidate_message = Table(
    "candidate_message",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("candidate_id", ForeignKey(device_candidate.c.id, ondelete="CASCADE"), nullable=False),
    Column("received_at", _instant, nullable=False),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    comment="the newest messages of candidates, to be replayed when they are adopted",
)
Index(
    "candidate_message_candidate_id_id_idx",
    candidate_message.c.candidate_id,
    candidate_message.c.id,
)
