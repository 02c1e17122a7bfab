"""Uploaded files on disk: a folder for each, with what is known of it and what came of the file.

What is said to be received is on disk, so that after a crash of whatever process, or a power
failure, an upload goes on where it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

import msgspec
import structlog

from services.core.runtime.reading_door import Outcome
from services.core.runtime.to_disk import to_disk
from services.core.runtime.uploads import Holds, Upload
from services.core.timeline.instants import rfc3339
from services.ingest.files.endings import ending

#: How long an upload that nobody goes on with stays, and what became of one that was taken.
ABANDONED_AFTER: Final = timedelta(days=7)
FORGOTTEN_AFTER: Final = timedelta(days=30)

#: Uploads of a facility, and their bytes as a multiple of what one may have.
_MAX_EACH: Final = 50
_MAX_BYTES_EACH: Final = 2

#: What uploads leave of the disk to others.
_FREE_BYTES: Final = 1 << 30

_ID: Final = re.compile(r"[0-9a-f]{32}\Z")

_STATE_FILE: Final = "upload.json"
_TABLE_FILE: Final = "table.yaml"

_log: Final = structlog.get_logger()


class RefusedUploadError(Exception):
    """An upload cannot be had, or not now; the text says why and what to do."""

    #: as the door calls it
    outcome: ClassVar[Outcome] = "unable"


class MissingUploadError(RefusedUploadError):
    """There is no such upload of the facility."""

    outcome = "missing"


class TooLargeUploadError(RefusedUploadError):
    """The file, or what is there with it, is too large."""

    outcome = "too-large"


class ConflictingUploadError(RefusedUploadError):
    """The upload is not in a state for this."""

    outcome = "conflict"


class Spool:
    """The folder of all uploads; one process at a time has it."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``max_bytes``: of one file."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._now = now
        self._uploads: dict[str, Upload] = {}
        self._lock_file: int | None = None

    def open(self) -> bool:
        """Take the folder and read what is in it; False: another process has it.

        :raises OSError: it cannot be used.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_file = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock_file)
            return False
        self._lock_file = lock_file
        for path in self._folder.iterdir():
            if _ID.match(path.name):
                self._read(path)
        self.sweep()
        return True

    def close(self) -> None:
        """Leave the folder to others."""
        lock_file, self._lock_file = self._lock_file, None
        if lock_file is not None:
            os.close(lock_file)

    def _read(self, path: Path) -> None:
        try:
            upload = msgspec.json.decode((path / _STATE_FILE).read_bytes(), type=Upload)
        except (OSError, msgspec.MsgspecError):
            # it was being made, or removed, when its process was killed
            _log.warning("an upload that is none is removed", upload=path.name)
            shutil.rmtree(path, ignore_errors=True)
        else:
            self._uploads[upload.id] = upload

    def sweep(self) -> None:
        """Remove what nobody goes on with, and what became of files long ago."""
        now = self._now()
        for upload in list(self._uploads.values()):
            if upload.state in {"checking", "taking"}:
                continue
            age = now - datetime.fromisoformat(upload.changed_at)
            if age > (FORGOTTEN_AFTER if upload.state == "taken" else ABANDONED_AFTER):
                self.remove(upload)

    # -- one upload -------------------------------------------------------------------------------

    def begin(self, facility: str, name: str, size: int, holds: Holds, by: str) -> Upload:
        """Make room for a file.

        :raises RefusedUploadError: there is none.
        """
        if size > self._max_bytes:
            raise TooLargeUploadError(
                f"the file has {size} bytes, and one may have {self._max_bytes}; split it, raise"
                " TONNE_UPLOAD_BYTES, or import it with `tonne import`"
            )
        self.sweep()
        present = [u for u in self._uploads.values() if u.facility == facility]
        waiting = [u for u in present if u.state != "taken"]
        if len(waiting) >= _MAX_EACH or (
            sum(u.size for u in waiting) + size > _MAX_BYTES_EACH * self._max_bytes
        ):
            raise TooLargeUploadError(
                f"{len(waiting)} files of {facility} wait to be taken; take or remove some of them"
            )
        self._check_room(size)
        for forgotten in sorted(present, key=lambda u: u.changed_at)[: 1 - _MAX_EACH]:
            if forgotten.state == "taken":
                self.remove(forgotten)
        upload = Upload(
            id=uuid.uuid4().hex,
            facility=facility,
            name=name,
            holds=holds,
            size=size,
            state="received" if size == 0 else "receiving",
            by=by,
            created_at=rfc3339(self._now()),
        )
        folder = self._folder / upload.id
        folder.mkdir(mode=0o700)
        self.content(upload).touch(mode=0o600)
        to_disk(folder)
        self.save(upload)
        to_disk(self._folder)
        self._uploads[upload.id] = upload
        return upload

    def append(self, upload: Upload, offset: int, data: bytes) -> None:
        """Add bytes of the file; those that are there already are passed over.

        They are on disk when it returns.

        :raises ConflictingUploadError: some before them are missing, there are too many, or others
            are there already.
        :raises TooLargeUploadError: the disk has too little room.
        :raises OSError: the disk refuses.
        """
        if offset > upload.received:
            raise ConflictingUploadError(
                f"{upload.received} bytes of the file are here; go on with offset={upload.received}"
            )
        if offset + len(data) > upload.size:
            raise ConflictingUploadError(
                f"the file was announced with {upload.size} bytes, and these go beyond"
            )
        present = data[: upload.received - offset]
        if present and not self._has(upload, offset, present):
            raise ConflictingUploadError(
                f"other bytes than these are there from {offset} on: it is another file, or was"
                " changed since; begin a new import"
            )
        new = data[len(present) :]
        if new:
            # others were announced meanwhile, which take no room before their bytes come
            self._check_room(len(new))
            with self.content(upload).open("r+b") as file:
                file.seek(upload.received)
                file.write(new)
                # what a crash left unsaid
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            upload.received += len(new)
        if upload.received == upload.size and upload.state == "receiving":
            upload.state = "received"
        self.save(upload)

    def _check_room(self, size: int) -> None:
        if shutil.disk_usage(self._folder).free < size + _FREE_BYTES:
            raise TooLargeUploadError("there is too little room on the disk of uploads")

    def _has(self, upload: Upload, offset: int, data: bytes) -> bool:
        with self.content(upload).open("rb") as file:
            file.seek(offset)
            return file.read(len(data)) == data

    def find(self, facility: str, upload_id: str) -> Upload:
        """Return an upload of a facility.

        :raises MissingUploadError: there is none.
        """
        upload = self._uploads.get(upload_id)
        if upload is None or upload.facility != facility or upload.is_removed:
            raise MissingUploadError(f"there is no import {upload_id!r} of {facility}")
        return upload

    def uploads(self, facility: str | None) -> list[Upload]:
        """Return the uploads of a facility, None: of all, those begun last first."""
        chosen = (u for u in self._uploads.values() if facility in {None, u.facility})
        return sorted(chosen, key=lambda u: u.created_at, reverse=True)

    def save(self, upload: Upload) -> None:
        """Keep what is known of an upload.

        :raises OSError: the disk refuses.
        """
        upload.changed_at = rfc3339(self._now())
        path = self._folder / upload.id / _STATE_FILE
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(upload))
        to_disk(fresh)
        fresh.replace(path)

    def remove(self, upload: Upload) -> None:
        """Delete an upload and its file."""
        self._uploads.pop(upload.id, None)
        folder = self._folder / upload.id
        # read without it as one that is none
        (folder / _STATE_FILE).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def delete_file(self, upload: Upload) -> None:
        """Delete the file alone."""
        with contextlib.suppress(OSError):
            self.content(upload).unlink(missing_ok=True)

    def content(self, upload: Upload) -> Path:
        """Return where the file is: under its ending, which tells how it is read."""
        return self._folder / upload.id / f"file{ending(upload.name)}"

    def table(self, upload: Upload) -> Path:
        """Return where the table file of an upload is, if it has one."""
        return self._folder / upload.id / _TABLE_FILE
