"""Whether copies are made of what tonne holds: told by the audit log and by the log's follower."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.core.store.operations.backup_facts import SLOT
from services.core.timeline.instants import rfc3339

#: When the newest backup was taken, and whether the log is followed: null where nobody asked
#: for it, or at a standby, which knows of no follower.
BACKUPS: Final = f"""
SELECT (SELECT made_at FROM audit_entry WHERE action = 'backup.take' ORDER BY id DESC LIMIT 1),
       (SELECT active FROM pg_replication_slots WHERE slot_name = '{SLOT}')
"""  # noqa: S608 - a constant


def sentences(
    rows: Sequence[Sequence[Any]], now: datetime, max_age: timedelta
) -> list[tuple[str, str, str]]:
    """Return code, no facility and sentence of what a loss would cost more by than was meant.

    An installation that was never backed up by tonne is backed up by others, or by nobody: nothing
    is known of it, and nothing is said.

    :param max_age: backups that are older are told; zero: none is.
    """
    ((newest, is_followed),) = rows
    notices = []
    if newest is not None and max_age and now - newest > max_age:
        taken = rfc3339(newest, timespec="minutes")
        sentence = (
            f"the newest backup is of {taken}: look why `tonne backup` did not run since, or say in"
            " TONNE_BACKUP_MAX_AGE_HOURS how old it may be"
        )
        notices.append(("backup-old", "", sentence))
    if is_followed is False:
        sentence = (
            "nobody follows the database's log: start `tonne backup wal`, or a loss costs all since"
            f" the newest backup; `SELECT pg_drop_replication_slot('{SLOT}')` where it is not"
            " wanted any more, for the server keeps its log for it"
        )
        notices.append(("backup-log-left", "", sentence))
    return notices
