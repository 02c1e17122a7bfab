"""The names under which services wake each other with NOTIFY.

A notification only says "look now"; what there is to see is in the tables, so a lost one costs a
moment, never data.
"""

from __future__ import annotations

#: Readings were committed; payload: the facility's id.
TOUCHED = "tonne_touched"

#: A facility's totals changed; payload: the facility's slug.
LIVE = "tonne_live"

#: The registry changed; payload: its new revision.
REGISTRY = "tonne_registry"

#: Something is to be told; payload: empty.
OUTBOX = "tonne_outbox"
