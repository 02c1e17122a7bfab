"""The part of the schema that is cells: which database this is of several, what left it, what came.

A facility lives in the cell that has its registry; see the decision on cells in
``deploy/docs/adr``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.core.store.database import locks
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

#: Numbers of rows go up in such steps, so that each cell has some of its own.
STEP: Final = 64

cell = Table(
    "cell",
    metadata,
    Column(
        "number",
        SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="what numbers of rows leave when they are divided by 64",
    ),
    Column("name", Text, nullable=False, unique=True),
    Column("here", Boolean, nullable=False, comment="it is this database"),
    Column("added_at", _instant, nullable=False, server_default=func.now()),
    CheckConstraint(f"number >= 0 AND number < {STEP}", name="number"),
    comment="databases that facilities live in; none: there is this one alone",
)
Index("cell_here_idx", cell.c.here, unique=True, postgresql_where=text("here"))

cell_facility = Table(
    "cell_facility",
    metadata,
    Column("slug", Text, primary_key=True, comment="the facility's id"),
    Column("cell", Text, nullable=False),
    Column("claimed_at", _instant, nullable=False, server_default=func.now()),
    comment="which cell a facility is for: at home of all, elsewhere of those that are for it",
)

cell_departure = Table(
    "cell_departure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility", Text, nullable=False, comment="its id"),
    Column("to_cell", Text, nullable=False),
    Column("begun_at", _instant, nullable=False, server_default=func.now()),
    Column("begun_by", Text, nullable=False),
    Column("rows_of", JSONB, nullable=False, comment="numbers by which its rows are known"),
    Column("topics", ARRAY(Text), nullable=False, comment="its devices' own, which go on here"),
    Column("left_at", _instant, comment="null: it lives here"),
    Column("proof", JSONB, comment="by table: rows, and the sum of their hashes, as they left"),
    Column("finished_at", _instant, comment="when its rows here were deleted"),
    comment="facilities that left for another cell, or are about to",
)
Index(
    "cell_departure_unfinished_idx",
    cell_departure.c.facility,
    unique=True,
    postgresql_where=text("finished_at IS NULL"),
)

cell_arrival = Table(
    "cell_arrival",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility", Text, nullable=False, comment="its id"),
    Column("from_cell", Text, nullable=False),
    Column("begun_at", _instant, nullable=False, server_default=func.now()),
    Column("verified_hours", BigInteger, comment="hours computed again before it was switched"),
    Column("staged_at", _instant, comment="all of it is here, and waits for the old cell"),
    Column("arrived_at", _instant, comment="null: it does not live here yet"),
    Column("proof", JSONB, comment="by table: rows, and the sum of their hashes, as they came"),
    comment="facilities that came from another cell, or are about to",
)
Index(
    "cell_arrival_unfinished_idx",
    cell_arrival.c.facility,
    unique=True,
    postgresql_where=text("arrived_at IS NULL"),
)

#: Every batch of readings says here which facilities it is of. Who leaves holds the lock alone; to
#: wait for that would hold up the others of the batch.
_BATCH_IS_OF_THIS_CELL: Final = f"""
CREATE OR REPLACE FUNCTION touched_is_of_this_cell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared({locks.LIVES}, NEW.facility_id) THEN
        RAISE EXCEPTION 'its facility is just moving to another cell: replay this when it has moved'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM public.facility WHERE id = NEW.facility_id) THEN
        RAISE EXCEPTION 'its facility does not live in this cell: hand this over with tonne cells'
            ' forward' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END $$
"""

#: What left comes back by a move alone, and an id is given once in all cells: at home.
_FACILITY_IS_OF_THIS_CELL: Final = """
CREATE OR REPLACE FUNCTION facility_is_of_this_cell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other text;
    present text;
BEGIN
    SELECT d.to_cell INTO other FROM public.cell_departure d
    WHERE d.facility = NEW.slug AND d.left_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM public.cell_arrival a WHERE a.facility = d.facility AND a.begun_at > d.left_at)
    ORDER BY d.left_at DESC LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'facility % lives in cell %: apply its file there', NEW.slug, other
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT name INTO present FROM public.cell WHERE here;
    IF present = 'home' THEN
        INSERT INTO public.cell_facility (slug, cell) VALUES (NEW.slug, present)
        ON CONFLICT (slug) DO NOTHING;
    END IF;
    SELECT c.cell INTO other FROM public.cell_facility c WHERE c.slug = NEW.slug;
    IF other IS DISTINCT FROM present THEN
        RAISE EXCEPTION 'the id % is not of cell %: claim it with tonne cells claim', NEW.slug,
            present USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""

#: By name: what creates it, and who may call it beside its owner. Triggers are called by nobody.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "touched_is_of_this_cell": (_BATCH_IS_OF_THIS_CELL, ()),
    "facility_is_of_this_cell": (_FACILITY_IS_OF_THIS_CELL, ()),
}

#: Created where there are cells; one database alone has nothing to ask.
TRIGGERS_OF_CELLS: Final = (
    (
        "CREATE OR REPLACE TRIGGER touched_is_of_this_cell BEFORE INSERT ON touched"
        " FOR EACH ROW EXECUTE FUNCTION touched_is_of_this_cell()"
    ),
    (
        "CREATE OR REPLACE TRIGGER facility_is_of_this_cell BEFORE INSERT ON facility"
        " FOR EACH ROW EXECUTE FUNCTION facility_is_of_this_cell()"
    ),
)
