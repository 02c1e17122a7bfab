"""Where archives are kept: a folder, or a bucket of S3. What is not whole has no file's name.

The keys of S3 come from where every client of it looks: ``AWS_ACCESS_KEY_ID`` and
``AWS_SECRET_ACCESS_KEY``, ``~/.aws/credentials``, the machine's role. tonne itself knows none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyarrow import fs

from services.core.runtime.to_disk import to_disk

_PIECE: Final = 4 << 20

#: Holds what may be half of a file: no reader looks there. Several databases may share a place, so
#: each draft has a name that nobody else knows.
_DRAFTS: Final = ".drafts"

#: Of a folder: shared by whoever has drafts there.
_LOCK: Final = ".lock"

#: What S3 copies in one request, in bytes.
_MOST_COPIED: Final = 5_000_000_000


class PlaceError(RuntimeError):
    """A place cannot be used; the text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a file holds."""

    size: int
    sha256: bytes


class Place(ABC):
    """Holds files by path."""

    #: as the setting names it, without credentials
    name: str
    _files: Any
    _root: str

    @abstractmethod
    def drafts(self) -> Any:
        """Open a directory of this machine for files that are not whole yet."""

    @abstractmethod
    def put(self, draft: Path, path: str) -> None:
        """Make a draft the file of that path, all at once; durable on return."""

    def open(self, path: str) -> Any:
        """Open a file for reading anywhere in it."""
        with clear_errors(self.name, path):
            return self._files.open_input_file(f"{self._root}/{path}")

    def size(self, path: str) -> int | None:
        """Return how many bytes a file has; None: there is none."""
        with clear_errors(self.name, path):
            size: int | None = self._files.get_file_info(f"{self._root}/{path}").size
            return size

    def contents(self, path: str) -> Contents | None:
        """Read a file through; None: there is none."""
        with clear_errors(self.name, path):
            where = f"{self._root}/{path}"
            if self._files.get_file_info(where).type == fs.FileType.NotFound:
                return None
            with self._files.open_input_stream(where) as stream:
                return _contents(stream)


class Folder(Place):
    """Files of this machine, or of a mounted share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.name = str(self._folder)
        self._root = self.name
        self._files = fs.LocalFileSystem()

    @contextmanager
    def drafts(self) -> Iterator[Path]:
        """Open a directory beside the files, so that a draft moves by its name alone.

        What runs that were killed left is deleted, unless somebody else is writing there just now.
        """
        with clear_errors(self.name, ""):
            all_drafts = self._folder / _DRAFTS
            all_drafts.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with clear_errors(self.name, ""):
                if _locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    for left in all_drafts.iterdir():
                        _delete(left)
                _locked(lock, fcntl.LOCK_SH)
                drafts = Path(tempfile.mkdtemp(dir=all_drafts))
            yield drafts
            with clear_errors(self.name, ""):
                shutil.rmtree(drafts)
        finally:
            os.close(lock)

    def put(self, draft: Path, path: str) -> None:
        """Move a draft to its path; both it and its name are on disk on return."""
        with clear_errors(self.name, path):
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            to_disk(draft)
            draft.replace(target)
            to_disk(target.parent)


class Bucket(Place):
    """Objects of S3, or of what speaks like it."""

    def __init__(self, url: str, endpoint: str | None) -> None:
        self.name = url.rstrip("/")
        self._root = self.name.removeprefix("s3://")
        with clear_errors(self.name, ""):
            self._files = fs.S3FileSystem(
                endpoint_override=endpoint, connect_timeout=10, request_timeout=60
            )

    @contextmanager
    def drafts(self) -> Iterator[Path]:
        """Open a directory of this machine, deleted at the end."""
        with tempfile.TemporaryDirectory(prefix="tonne-archive-") as directory:
            yield Path(directory)

    def put(self, draft: Path, path: str) -> None:
        """Upload a draft under a name of its own, and give it its path when all of it is there.

        An upload that is cut off by an exception may leave a part of the object under its name; a
        process that is killed, its draft.
        """
        with clear_errors(self.name, path):
            if draft.stat().st_size > _MOST_COPIED:
                self._upload(draft, path)
                return
            upload = f"{_DRAFTS}/{path.replace('/', '-')}.{secrets.token_hex(8)}"
            try:
                self._upload(draft, upload)
                self._files.copy_file(f"{self._root}/{upload}", f"{self._root}/{path}")
            except BaseException:
                with suppress(OSError):
                    self._files.delete_file(f"{self._root}/{upload}")
                raise
            self._files.delete_file(f"{self._root}/{upload}")

    def _upload(self, draft: Path, path: str) -> None:
        with (
            draft.open("rb") as stream,
            self._files.open_output_stream(f"{self._root}/{path}") as upload,
        ):
            while piece := stream.read(_PIECE):
                upload.write(piece)


def place(url: str, endpoint: str | None) -> Place:
    """Return the place of a setting: ``s3://bucket/prefix``, or a folder.

    :raises PlaceError: it cannot be used.
    """
    if url.startswith("s3://"):
        if "@" in url or "?" in url:
            raise PlaceError(
                "TONNE_ARCHIVE is s3://bucket/prefix without anything else: keys come from"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or ~/.aws/credentials, the address"
                " from TONNE_ARCHIVE_S3_ENDPOINT"
            )
        return Bucket(url, endpoint)
    if "://" in url:
        raise PlaceError("TONNE_ARCHIVE is a folder, or s3://bucket/prefix")
    return Folder(Path(url))


def draft_contents(draft: Path) -> Contents:
    """Read a draft through."""
    with draft.open("rb") as stream:
        return _contents(stream)


def _contents(stream: Any) -> Contents:
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(_PIECE):
        digest.update(piece)
        size += len(piece)
    return Contents(size=size, sha256=digest.digest())


def _locked(lock: int, operation: int) -> bool:
    """Return whether a lock was had; some shares know none."""
    try:
        fcntl.flock(lock, operation)
    except OSError:
        return False
    return True


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def clear_errors(name: str, path: str) -> Iterator[None]:
    """Turn what the system says of a file of a place into a :class:`PlaceError`."""
    try:
        yield
    except OSError as error:
        where = f"{name}/{path}" if path else name
        reason = str(error).strip().splitlines()[0]
        raise PlaceError(f"{where} cannot be used ({reason}); check TONNE_ARCHIVE") from error
