from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.core.runtime import service_manager


@contextmanager
def _manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.settimeout(10)
        yield listener


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_manager_hears_of_each_turn(kind: str, tmp_path: Path) -> None:
    address = f"@tonne-{uuid.uuid4()}" if kind == "abstract" else str(tmp_path / "a@b")
    with _manager(address) as listener:
        for ready, state in ((False, "EXTEND_TIMEOUT_USEC=60000000"), (True, "READY=1")):
            service_manager.tell(ready=ready, environment={"NOTIFY_SOCKET": address})
            assert listener.recv(1000).decode().split() == ["WATCHDOG=1", state]


@pytest.mark.parametrize("address", ["", "/nobody/is/here", "vsock:2:1", "@nobody-is-here"])
def test_a_process_goes_on_where_nobody_listens(address: str) -> None:
    service_manager.tell(ready=True, environment={"NOTIFY_SOCKET": address})
    service_manager.tell(ready=True, environment={})
