"""Answers what the API asks about uploads, and keeps in mind what workers say of them."""

from __future__ import annotations

import threading
from typing import Final

import structlog

from services.core.runtime.reading_door import Answer
from services.core.runtime.settings import Settings
from services.core.runtime.uploads import Upload, UploadAsk
from services.ingest.files.endings import ending
from services.ingest.files.rows import UnusableFileError
from services.ingest.prepare import TimeBounds
from services.ingest.uploads.job import Done, Failed, Job, Note, Progress
from services.ingest.uploads.runs import Runs
from services.ingest.uploads.spool import (
    ConflictingUploadError,
    RefusedUploadError,
    Spool,
)

#: How often it is looked whether another process has left the folder.
_LOOK_S: Final = 1.0

#: Runs of one upload that may be cut off with ingest: then it may be the file that ends them.
_MAX_CUT_OFF: Final = 3

_OTHER: Final = "another ingest has the folder of uploads"
_NOWHERE: Final = (
    "there is no folder for files here: set TONNE_UPLOADS_DIR of ingest to one that it can write to"
)
_ENDED: Final = "reading it ended without a word; try it once more, or split it"
_CUT_OFF: Final = f"reading it was cut off {_MAX_CUT_OFF} times; split it, or save it as CSV"

_log: Final = structlog.get_logger()

#: Why no run of a file may begin, by its state.
_RUNS: Final = {
    "checking": "the file is being checked: wait until that is over",
    "taking": "the file is being taken: wait until that is over",
    "taken": "the file is taken: what it holds is stored",
}


class Desk:
    """Everything about uploads of one ingest."""

    def __init__(self, settings: Settings, bounds: TimeBounds) -> None:
        self._settings = settings
        self._bounds = bounds
        self._spool = Spool(settings.uploads, max_bytes=settings.upload_bytes)
        self._runs = Runs(self._hear)
        self._lock = threading.Lock()
        self._is_open = False
        #: Why nothing can be done until then.
        self._why_closed = _OTHER
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._open, name="uploads", daemon=True)

    def start(self) -> None:
        """Take the folder, and go on with what was under way, once no other process has it."""
        self._thread.start()

    def close(self) -> None:
        """Let what is under way end; it goes on with the next start."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._runs.close()
        self._spool.close()

    def _open(self) -> None:
        if self._settings.uploads_dir is None and not self._settings.uploads.parent.is_dir():
            # without a local stack nobody has said that the working directory may be written to
            self._why_closed = _NOWHERE
            _log.info("no uploads: there is no local stack here, and TONNE_UPLOADS_DIR is not set")
            return
        while not self._closing.is_set():
            try:
                if self._spool.open():
                    break
            except OSError as error:
                self._why_closed = _unusable(error)
                _log.warning("files cannot be uploaded", error=str(error))
                return
            self._closing.wait(_LOOK_S)
        else:
            return
        with self._lock:
            self._is_open = True
            for upload in self._spool.uploads(None):
                if upload.state in {"checking", "taking"}:
                    self._go_on(upload)

    def _go_on(self, upload: Upload) -> None:
        upload.cut_off += 1
        if upload.cut_off > _MAX_CUT_OFF:
            upload.state, upload.error = "failed", _CUT_OFF
            self._spool.save(upload)
            return
        self._spool.save(upload)
        self._runs.add(self._job(upload))

    # -- what is asked ------------------------------------------------------------------------

    def __call__(self, ask: UploadAsk, body: bytes) -> Answer:
        """Answer; what is changed is on disk then."""
        if not self._is_open:
            return Answer(outcome="unable", detail=self._why_closed)
        try:
            if ask.act == "remove":
                return self._remove(ask)
            with self._lock:
                return Answer(outcome="taken", uploads=self._done(ask, body))
        except RefusedUploadError as error:
            return Answer(outcome=error.outcome, detail=str(error))
        except UnusableFileError as error:
            return Answer(outcome="unusable", detail=str(error))
        except OSError as error:
            return Answer(outcome="unable", detail=_unusable(error))

    def _done(self, ask: UploadAsk, body: bytes) -> list[Upload]:
        if ask.act == "list":
            return self._spool.uploads(ask.facility)
        if ask.act == "begin":
            ending(ask.name)
            return [self._spool.begin(ask.facility, ask.name, ask.size, ask.holds, ask.by)]
        upload = self._spool.find(ask.facility, ask.upload)
        if ask.act == "append":
            if upload.state not in {"receiving", "received", "checked", "failed"}:
                raise ConflictingUploadError("the file is complete: nothing can be added to it")
            self._spool.append(upload, ask.offset, body)
        elif ask.act in {"check", "take"}:
            self._begin_run(upload, ask, body.decode())
        return [upload]

    def _begin_run(self, upload: Upload, ask: UploadAsk, table: str) -> None:
        if upload.state == "receiving":
            raise ConflictingUploadError(
                f"{upload.received} of {upload.size} bytes are here; send the rest first"
            )
        if upload.state in _RUNS:
            raise ConflictingUploadError(_RUNS[upload.state])
        upload.device, upload.channel, upload.unit = ask.device, ask.channel, ask.unit
        upload.by, upload.address = ask.by, ask.address
        path = self._spool.table(upload)
        if table:
            path.write_text(table, encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
        upload.state = "checking" if ask.act == "check" else "taking"
        upload.error, upload.read_bytes, upload.rows, upload.cut_off = None, 0, 0, 0
        self._spool.save(upload)
        self._runs.add(self._job(upload))

    def _remove(self, ask: UploadAsk) -> Answer:
        with self._lock:
            upload = self._spool.find(ask.facility, ask.upload)
            # what its worker says last is not written down any more
            upload.is_removed = True
        # it takes the lock to say it
        self._runs.stop(upload.id)
        with self._lock:
            self._spool.remove(upload)
        return Answer(outcome="taken", uploads=[])

    def _job(self, upload: Upload) -> Job:
        table = self._spool.table(upload)
        return Job(
            database_url=self._settings.database,
            bounds=self._bounds,
            pack_after_days=self._settings.pack_after_days,
            batch_rows=self._settings.batch_rows,
            max_bytes=self._settings.upload_bytes,
            max_file_bytes=self._settings.file_bytes,
            upload=upload.id,
            facility=upload.facility,
            name=upload.name,
            path=str(self._spool.content(upload)),
            holds=upload.holds,
            is_trial=upload.state == "checking",
            table=table.read_text(encoding="utf-8") if table.exists() else None,
            device=upload.device,
            channel=upload.channel,
            unit=upload.unit,
            by=upload.by,
            address=upload.address,
        )

    # -- what workers say ---------------------------------------------------------------------

    def _hear(self, upload_id: str, note: Note | None) -> None:
        with self._lock:
            upload = next((u for u in self._spool.uploads(None) if u.id == upload_id), None)
            if upload is None or upload.is_removed:
                return
            if isinstance(note, Progress):
                upload.read_bytes, upload.rows = note.read_bytes, note.rows
                return
            if note is None and self._closing.is_set():
                # it goes on with the next start; that it was stopped is no fault of the file
                upload.cut_off = 0
            else:
                self._settle(upload, note)
            self._spool.save(upload)

    def _settle(self, upload: Upload, note: Done | Failed | None) -> None:
        is_trial = upload.state == "checking"
        report = None if note is None else note.report
        if is_trial:
            upload.check = report
        else:
            upload.report = report
        if isinstance(note, Done):
            # activities are stored as a whole or not at all: what is wrong can be told otherwise
            is_over = not is_trial and (upload.holds == "readings" or not note.report["refused"])
            upload.state = "taken" if is_over else "checked"
            upload.rows = note.report["read"]
            upload.read_bytes = upload.size
            if is_over:
                self._spool.delete_file(upload)
        else:
            upload.state = "failed"
            upload.error = _ENDED if note is None else note.error


def _unusable(error: OSError) -> str:
    return f"the folder of uploads cannot be used ({error.strerror})"
