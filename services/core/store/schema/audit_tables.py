"""The part of the schema that is the audit log, and the DDL that lets rows only be added."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.tables import metadata

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("made_by", Text, nullable=False, comment="who, as the program tells it"),
    Column("login", Text, nullable=False, comment="what the program logged in to the database as"),
    Column("address", Text, nullable=False, comment="of the client, or of the command's machine"),
    Column("action", Text, nullable=False),
    Column("facility", Text, comment="null: it concerns all, or none"),
    Column("subject", Text, nullable=False),
    Column("before", JSONB, comment="what was there of what changed"),
    Column("after", JSONB, comment="what is there now, or what was asked for"),
    Column("reason", Text, comment="as whoever did it gave it"),
    comment="who did what, from where, before and after; rows are only ever added",
)

Index("audit_entry_backup_idx", audit_entry.c.id, postgresql_where=text("action = 'backup.take'"))

#: Whoever may add an entry cannot choose its time, login or the machine that it comes from. Only
#: the API's login, which speaks for others, says the address of another machine, and ingest's, to
#: which the API hands corrections; the owner does where one login serves all processes.
_SEAL: Final = """
CREATE OR REPLACE FUNCTION seal_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'entries of the audit log are neither changed nor deleted'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.made_at := statement_timestamp();
    NEW.login := session_user;
    NEW.made_by := coalesce(NEW.made_by, 'login ' || session_user);
    NEW.address := coalesce(host(inet_client_addr()), 'this machine');
    IF pg_has_role(session_user, 'tonne_api', 'MEMBER')
        OR pg_has_role(session_user, 'tonne_ingest', 'MEMBER')
        OR pg_has_role(session_user,
            (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')
    THEN
        NEW.address := coalesce(nullif(current_setting('tonne.address', true), ''), NEW.address);
    END IF;
    RETURN NEW;
END $$
"""

FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {"seal_audit_entry": (_SEAL, ())}

#: They hold for the owner too.
TRIGGERS: Final = (
    (
        "CREATE TRIGGER audit_entry_is_sealed BEFORE INSERT OR UPDATE OR DELETE ON audit_entry"
        " FOR EACH ROW EXECUTE FUNCTION seal_audit_entry()"
    ),
    (
        "CREATE TRIGGER audit_log_is_whole BEFORE TRUNCATE ON audit_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION seal_audit_entry()"
    ),
)
