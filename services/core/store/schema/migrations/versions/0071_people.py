"""Let people sign in, and keys belong to them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def _instant(
    name: str, *, now: bool = False, nullable: bool = False, comment: str | None = None
) -> sa.Column[datetime]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("now()") if now else None,
        nullable=nullable,
        comment=comment,
    )


def upgrade() -> None:
    """Add the tables; nobody is in them yet, and every key is a machine's."""
    op.create_table(
        "person",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="as they sign in, in lower case"),
        sa.Column("full_name", sa.Text(), nullable=True),
        sa.Column(
            "issuer",
            sa.Text(),
            nullable=True,
            comment="OpenID provider that vouches for them; null: a local account",
        ),
        sa.Column(
            "provider_subject",
            sa.Text(),
            nullable=True,
            comment="what the provider calls them, for ever",
        ),
        _instant("created_at", now=True),
        _instant("disabled_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("person_pkey")),
        sa.UniqueConstraint(
            "issuer", "provider_subject", name=op.f("person_issuer_provider_subject_key")
        ),
        sa.UniqueConstraint("name", name=op.f("person_name_key")),
        comment="who may sign in; rows are never deleted, so that a name stays one person's",
    )
    op.create_table(
        "person_password",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False, comment="Argon2id, with parameters and salt"),
        _instant("changed_at", now=True),
        sa.PrimaryKeyConstraint("person_id", name=op.f("person_password_pkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("person_password_person_id_fkey")
        ),
    )
    op.create_table(
        "person_role",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("facilities", postgresql.ARRAY(sa.Text()), nullable=True, comment="null: all"),
        sa.PrimaryKeyConstraint("person_id", "role", name=op.f("person_role_pkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("person_role_person_id_fkey")
        ),
    )
    op.create_table(
        "person_session",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column(
            "roles",
            postgresql.JSONB(),
            nullable=True,
            comment="as the provider gave them at sign-in; null: the person's own",
        ),
        sa.Column("address", sa.Text(), nullable=False, comment="of the sign-in"),
        _instant("began_at", now=True),
        _instant("used_at", comment="to a minute"),
        _instant("expires_at", comment="however much it is used"),
        _instant("ended_at", nullable=True, comment="signed out, or ended by an administrator"),
        sa.PrimaryKeyConstraint("id", name=op.f("person_session_pkey")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("person_session_person_id_fkey")
        ),
        sa.UniqueConstraint("digest", name=op.f("person_session_digest_key")),
    )
    op.create_index(op.f("person_session_person_id_idx"), "person_session", ["person_id"])
    op.create_table(
        "api_key_use",
        sa.Column("key_id", sa.Integer(), autoincrement=False, nullable=False),
        _instant("used_at", comment="last, to a minute"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("api_key_use_pkey")),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("api_key_use_key_id_fkey")),
    )
    op.add_column(
        "api_key",
        sa.Column(
            "person_id", sa.Integer(), nullable=True, comment="whose it is; null: a machine's"
        ),
    )
    op.create_foreign_key(
        op.f("api_key_person_id_fkey"), "api_key", "person", ["person_id"], ["id"]
    )


def downgrade() -> None:
    """Refuse: who did what is known by these rows."""
    raise NotImplementedError
