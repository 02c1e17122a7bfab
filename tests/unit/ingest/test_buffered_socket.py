from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from services.ingest.sources.mqtt.buffered_socket import BufferedSocket


@pytest.fixture
def ends() -> Iterator[tuple[BufferedSocket, socket.socket]]:
    inner, peer = socket.socketpair()
    inner.setblocking(False)
    buffered = BufferedSocket(inner)
    yield buffered, peer
    # a peer that is gone is not waited for
    peer.close()
    buffered.close()


def test_bytes_come_in_order_in_pieces_of_any_size(
    ends: tuple[BufferedSocket, socket.socket],
) -> None:
    buffered, peer = ends
    peer.sendall(b"0123456789")
    assert buffered.recv(1) == b"0"
    assert buffered.pending() == 9
    assert buffered.recv(4) == b"1234"
    assert buffered.recv(100) == b"56789"
    assert buffered.pending() == 0


def test_nothing_there_is_a_blocking_error_and_a_closed_peer_is_the_end(
    ends: tuple[BufferedSocket, socket.socket],
) -> None:
    buffered, peer = ends
    with pytest.raises(BlockingIOError):
        buffered.recv(1)
    peer.close()
    assert buffered.recv(1) == b""


def test_what_is_sent_leaves_with_flush(ends: tuple[BufferedSocket, socket.socket]) -> None:
    buffered, peer = ends
    peer.setblocking(False)
    assert buffered.send(b"ab") == 2
    assert buffered.send(b"cd") == 2
    assert buffered.unsent
    with pytest.raises(BlockingIOError):
        peer.recv(10)
    buffered.flush()
    assert not buffered.unsent
    assert peer.recv(10) == b"abcd"


def test_what_the_network_does_not_take_yet_stays(
    ends: tuple[BufferedSocket, socket.socket],
) -> None:
    buffered, peer = ends
    much = bytes(range(256)) * 65536
    buffered.send(much)
    buffered.flush()
    assert buffered.unsent
    received = bytearray()
    while len(received) < len(much):
        received += peer.recv(1 << 20)
        buffered.flush()
    assert bytes(received) == much


def test_closing_sends_what_is_left(ends: tuple[BufferedSocket, socket.socket]) -> None:
    buffered, peer = ends
    buffered.send(b"last")
    peer.shutdown(socket.SHUT_WR)
    buffered.close()
    assert peer.recv(10) == b"last"


def test_what_has_arrived_can_be_looked_at_and_taken_in_part(
    ends: tuple[BufferedSocket, socket.socket],
) -> None:
    buffered, peer = ends
    assert buffered.read_ahead() == (b"", 0)
    peer.sendall(b"0123456789")
    assert buffered.read_ahead() == (b"0123456789", 0)
    buffered.take_up_to(4)
    peer.sendall(b"later")
    assert buffered.read_ahead() == (b"0123456789", 4)
    assert buffered.recv(100) == b"456789"
    assert buffered.read_ahead() == (b"later", 0)


def test_a_closed_peer_is_told_by_recv_alone(
    ends: tuple[BufferedSocket, socket.socket],
) -> None:
    buffered, peer = ends
    peer.close()
    assert buffered.read_ahead() == (b"", 0)
    assert buffered.recv(1) == b""
