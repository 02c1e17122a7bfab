"""Births of Sparkplug B that were heard last, and which ingest process hears them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from services.core.store.database.locks import SPARKPLUG

#: What a metric is: name, type, alias and unit.
Metric = tuple[str, int, int | None, str | None]

_STORED: Final = """
SELECT group_name, edge_node, device, bd_seq, born_at, metrics FROM sparkplug_birth
"""

#: Ordered, so that two writers never wait for each other crosswise.
_STORE: Final = """
INSERT INTO sparkplug_birth (group_name, edge_node, device, bd_seq, born_at, metrics)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[],
                     %s::jsonb[]) AS b (group_name, edge_node, device, bd_seq, born_at, metrics)
ORDER BY 1, 2, 3
ON CONFLICT (group_name, edge_node, device) DO UPDATE
SET bd_seq = excluded.bd_seq, born_at = excluded.born_at, metrics = excluded.metrics
WHERE sparkplug_birth.born_at <= excluded.born_at
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredBirth:
    """The newest birth of an edge node, or of one of its devices."""

    group: str
    edge_node: str
    #: empty: the edge node itself
    device: str
    bd_seq: int | None
    born_at: datetime
    metrics: Sequence[Metric]


def be_host(connection: psycopg.Connection[Any]) -> bool:
    """Become the host application, or go on being it; False: another session is."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (SPARKPLUG,)).fetchone()
    return bool(row and row[0])


def stored(connection: psycopg.Connection[Any]) -> list[StoredBirth]:
    """Read all births."""
    return [
        StoredBirth(
            group=group,
            edge_node=edge_node,
            device=device,
            bd_seq=bd_seq,
            born_at=born_at,
            metrics=[(name, datatype, alias, unit) for name, datatype, alias, unit in metrics],
        )
        for group, edge_node, device, bd_seq, born_at, metrics in connection.execute(_STORED)
    ]


def store(connection: psycopg.Connection[Any], births: Sequence[StoredBirth]) -> None:
    """Store births, each in the place of an older one, and commit."""
    with connection.transaction():
        connection.execute(
            _STORE,
            (
                [birth.group for birth in births],
                [birth.edge_node for birth in births],
                [birth.device for birth in births],
                [birth.bd_seq for birth in births],
                [birth.born_at for birth in births],
                [json.dumps(birth.metrics) for birth in births],
            ),
        )
