"""TLS whose certificates are renewed without a restart: files are read again when they changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import structlog

_log = structlog.get_logger(__name__)

Load = Callable[[ssl.SSLContext], None]
"""Reads the files into a context; OSError, ValueError or ssl.SSLError where one cannot be used."""


class RenewedContext(ssl.SSLContext):
    """A context that looks at its files before each connection, and takes them when they changed.

    Files that cannot be used, such as a certificate whose key is not there yet, are logged and
    change nothing: the ones before stay in use, and the new ones are tried at the next connection.
    An authority that was taken out of a file stays trusted until the process ends.
    """

    _load: Load
    _protocol_of: int
    _files: tuple[Path, ...]
    _loaded: tuple[object, ...]

    @classmethod
    def of_files(cls, protocol: int, files: Sequence[Path], load: Load) -> Self:
        """Make a context of files.

        :raises OSError, ValueError, ssl.SSLError: what ``load`` raises.
        """
        made = cls(protocol)
        made._load, made._protocol_of, made._files = load, protocol, tuple(files)
        made._loaded = made._state()
        load(made)
        return made

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Begin TLS on a socket, by the files as they are now."""
        self._renew()
        return super().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin TLS of an event loop's connection, by the files as they are now."""
        self._renew()
        return super().wrap_bio(*args, **kwargs)

    def _renew(self) -> None:
        state = self._state()
        if state == self._loaded:
            return
        names = [str(file) for file in self._files]
        try:
            # a certificate and a key that do not belong together would spoil the one in use
            self._load(ssl.SSLContext(self._protocol_of))
            self._load(self)
        except (OSError, ValueError, ssl.SSLError) as error:
            _log.warning("new TLS files cannot be used", files=names, reason=str(error))
            return
        self._loaded = state
        _log.info("TLS files are read again", files=names)

    def _state(self) -> tuple[object, ...]:
        return tuple(_state_of(file) for file in self._files)


def _state_of(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
