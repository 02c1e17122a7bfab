"""The part of the schema that is people: accounts, passwords, roles, sessions, uses of keys."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

person = Table(
    "person",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True, comment="as they sign in, in lower case"),
    Column("full_name", Text),
    Column("issuer", Text, comment="OpenID provider that vouches for them; null: a local account"),
    Column("provider_subject", Text, comment="what the provider calls them, for ever"),
    Column("created_at", _instant, nullable=False, server_default=func.now()),
    Column("disabled_at", _instant),
    UniqueConstraint("issuer", "provider_subject"),
    comment="who may sign in; rows are never deleted, so that a name stays one person's",
)

person_password = Table(
    "person_password",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False, comment="Argon2id, with parameters and salt"),
    Column("changed_at", _instant, nullable=False, server_default=func.now()),
)

person_role = Table(
    "person_role",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("facilities", ARRAY(Text), comment="null: all"),
)

person_session = Table(
    "person_session",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the token"),
    Column(
        "roles",
        JSONB(none_as_null=True),
        comment="as the provider gave them at sign-in; null: the person's own",
    ),
    Column("address", Text, nullable=False, comment="of the sign-in"),
    Column("began_at", _instant, nullable=False, server_default=func.now()),
    Column("used_at", _instant, nullable=False, comment="to a minute"),
    Column("expires_at", _instant, nullable=False, comment="however much it is used"),
    Column("ended_at", _instant, comment="signed out, or ended by an administrator"),
)

api_key_use = Table(
    "api_key_use",
    metadata,
    Column("key_id", ForeignKey("api_key.id"), primary_key=True, autoincrement=False),
    Column("used_at", _instant, nullable=False, comment="last, to a minute"),
    Column("address", Text, nullable=False),
)
