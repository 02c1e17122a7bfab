"""What keeps a backup or a restore from being made."""

from __future__ import annotations


class BackupError(RuntimeError):
    """A backup cannot be made, used or trusted; the message says what to do."""
