"""One edge node as a host application sees it: (state, what arrives, now) -> (state, effects).

Pure; the numbered statements of Sparkplug 3.0 that it keeps are in
``tests/unit/ingest/sparkplug/test_statements.py``, one test for each.

A message is handed on as soon as it is certain what its metrics are. One whose metrics have names
is certain at once, in whichever order it comes: readings have their own times. One that speaks by
aliases is certain while the sequence numbers have no gap since the birth. All others wait: until
the gap closes, or until the next birth, and then they are resolved by the births on both sides
(:func:`.births.agreed`). What stays uncertain is handed on as it is, and lies in quarantine with
its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from services.ingest.decode.observation import UndecodableError
from services.ingest.decode.sparkplug_payload import read
from services.ingest.sparkplug.births import (
    Birth,
    Meanings,
    agreed,
    bd_seq,
    is_plain,
    read_birth,
    resolve,
)
from services.ingest.sparkplug.effects import (
    Arrival,
    AskRebirth,
    Born,
    Effect,
    Forward,
    Online,
    Stale,
)
from services.ingest.sparkplug.topics import Verb

_SEQUENCE: Final = 256

#: From one request for a rebirth to the next, doubled each time up to the longest.
_ASK_AGAIN_S: Final = 5.0
_ASK_AGAIN_AT_MOST_S: Final = 300.0
#: After so long without a request the next may come soon again.
_FORGET_ASKING_S: Final = 900.0
#: So often it is asked again while nothing comes of it.
_MAX_ASKED: Final = 8

#: Messages of one edge node that may wait for a birth, and how long.
_MAX_WAITING: Final = 1000
_WAIT_S: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """A message that is not certain yet."""

    arrival: Arrival
    seq: int | None
    until: float
    #: it came in its order, and waits for a birth
    is_counted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeNode:
    """What is known of an edge node; times are seconds of a monotonic clock."""

    group: str
    edge_node: str
    reorder_timeout_s: float = 5.0
    #: births in force, by device; that of the edge node itself by ""
    births: Mapping[str, Birth] = field(default_factory=dict)
    #: births that were in force when order was certain last, or that were stored
    former: Mapping[str, Birth] = field(default_factory=dict)
    #: the sequence number that comes next; None: no birth is in force
    next_seq: int | None = None
    #: numbers that have come out of their order
    early: frozenset[int] = frozenset()
    #: when a gap has lasted too long; None: there is none, or it has
    reorder_until: float | None = None
    waiting: tuple[_Waiting, ...] = ()
    #: when a rebirth is to be asked for
    ask_at: float | None = None
    #: before then none is, and how many were since it answered for long
    quiet_until: float = float("-inf")
    asked: int = 0

    @property
    def is_online(self) -> bool:
        """Whether a birth is in force."""
        return self.next_seq is not None


@dataclass(kw_only=True, slots=True)
class _Step:
    """One step on its way."""

    node: EdgeNode
    now: float
    effects: list[Effect] = field(default_factory=list)

    def change(self, **changes: Any) -> None:
        """Take another state."""
        self.node = replace(self.node, **changes)

    def ask(self, due_at: float) -> None:
        """Want a rebirth at an instant, or as soon as the last request is old enough."""
        if self.node.ask_at is None:
            self.change(ask_at=max(due_at, self.node.quiet_until))


Outcome = tuple[EdgeNode, Sequence[Effect]]


def begin(node: EdgeNode, now: float) -> EdgeNode:
    """Return the state at the beginning of a connection: births may have been missed before it.

    The edge node is asked for them, unless it speaks them by itself within the reorder timeout: one
    that waits for this host does.
    """
    begun = replace(
        node,
        births={},
        former={**node.former, **node.births},
        next_seq=None,
        early=frozenset(),
        reorder_until=None,
        ask_at=None,
    )
    step = _Step(node=begun, now=now)
    step.ask(now + node.reorder_timeout_s)
    return step.node


def arrive(node: EdgeNode, arrival: Arrival, now: float) -> Outcome:
    """Take a message; it may be anything that was published at the edge node's topics."""
    step = _Step(node=node, now=now)
    try:
        message = read(arrival.payload)
    except UndecodableError:
        # quarantined by the decoder of whose device it is
        _forward(step, arrival, arrival.payload)
        return _timed(step)
    verb = arrival.address.verb
    if verb is Verb.NBIRTH:
        _node_birth(step, arrival, message)
    elif verb is Verb.NDEATH:
        _node_death(step, arrival, message)
    elif verb not in {Verb.NCMD, Verb.DCMD}:
        _in_sequence(step, arrival, message)
    return _timed(step)


def tick(node: EdgeNode, now: float) -> Outcome:
    """Do what is due."""
    return _timed(_Step(node=node, now=now))


def due_at(node: EdgeNode) -> float | None:
    """Return when :func:`tick` has something to do, unless anything arrives before."""
    waiting = node.waiting[0].until if node.waiting else None
    timers = (node.reorder_until, node.ask_at, waiting)
    return min((due_at for due_at in timers if due_at is not None), default=None)


def give_up(node: EdgeNode) -> Outcome:
    """Hand on what still waits as it is: the host ends."""
    step = _Step(node=node, now=0.0)
    _surrender(step, node.waiting)
    step.change(waiting=())
    return step.node, step.effects


# -- births and deaths --------------------------------------------------------------------------


def _node_birth(step: _Step, arrival: Arrival, message: Any) -> None:
    birth = read_birth(message)
    node = step.node
    former = {**node.former, **node.births}
    # section 6.4.24: a number from 0 to 255, from which the others count on
    seq = message.seq % _SEQUENCE if message.HasField("seq") else 0
    step.change(
        births={"": birth},
        former=former,
        next_seq=(seq + 1) % _SEQUENCE,
        early=frozenset(),
        reorder_until=None,
        ask_at=None,
        # what waited for its number cannot be put in order any more, and waits for a birth now
        waiting=tuple(replace(entry, is_counted=True) for entry in node.waiting),
    )
    _forward_birth(step, arrival, birth)
    _release(step, "", agreed(former.get(""), birth))


def _device_birth(step: _Step, arrival: Arrival, message: Any) -> None:
    device = arrival.address.device
    birth = read_birth(message)
    node = step.node
    before = node.births.get(device) or node.former.get(device)
    step.change(
        births={**node.births, device: birth},
        former={**node.former, device: before} if before is not None else node.former,
    )
    _forward_birth(step, arrival, birth)
    _release(step, device, agreed(before, birth))


def _forward_birth(step: _Step, arrival: Arrival, birth: Birth) -> None:
    address = arrival.address
    step.effects.append(
        Born(
            group=address.group,
            edge_node=address.edge_node,
            device=address.device,
            birth=birth,
            instant=arrival.received_at,
        )
    )
    step.effects.append(
        Online(
            group=address.group,
            edge_node=address.edge_node,
            device=address.device,
            instant=arrival.received_at,
        )
    )
    _forward(step, arrival, arrival.payload)


def _node_death(step: _Step, arrival: Arrival, message: Any) -> None:
    node = step.node
    born = node.births.get("")
    if born is not None and born.bd_seq != bd_seq(message):
        # the will of an earlier connection, whose successor is alive
        return
    step.change(
        births={},
        former={**node.former, **node.births},
        next_seq=None,
        early=frozenset(),
        reorder_until=None,
        # one that is off cannot answer; of one whose birth was not heard nobody knows
        ask_at=node.ask_at if born is None else None,
    )
    step.effects.append(
        Stale(
            group=node.group,
            edge_node=node.edge_node,
            device="",
            instant=arrival.received_at,
        )
    )


def _device_death(step: _Step, arrival: Arrival, message: Any) -> None:
    node, device = step.node, arrival.address.device
    born = node.births.get(device)
    step.change(
        births={name: birth for name, birth in node.births.items() if name != device},
        former={**node.former, device: born} if born is not None else node.former,
    )
    _stale_device(step, arrival, message)


def _stale_device(step: _Step, arrival: Arrival, message: Any) -> None:
    step.effects.append(
        Stale(
            group=arrival.address.group,
            edge_node=arrival.address.edge_node,
            device=arrival.address.device,
            instant=_published_at(message, arrival.received_at),
        )
    )


def _published_at(message: Any, received_at: datetime) -> datetime:
    """Return when a payload says that it was published."""
    if not message.timestamp:
        return received_at
    try:
        return datetime.fromtimestamp(message.timestamp / 1000, tz=received_at.tzinfo)
    except (OverflowError, ValueError, OSError):
        return received_at


# -- the order of messages ----------------------------------------------------------------------


def _in_sequence(step: _Step, arrival: Arrival, message: Any) -> None:
    """Take a message that has a sequence number, all but NBIRTH and NDEATH."""
    node = step.node
    seq = message.seq % _SEQUENCE if message.HasField("seq") else None
    if node.next_seq is None:
        step.ask(step.now)
        _wait(step, arrival, message, seq, is_counted=True)
        return
    if seq is None:
        # against the rules: there is no telling what came before it
        step.ask(step.now)
        _wait(step, arrival, message, seq, is_counted=True)
        return
    if seq != node.next_seq:
        until = node.reorder_until
        if not node.early:
            until = step.now + node.reorder_timeout_s
        step.change(early=node.early | {seq}, reorder_until=until)
        _wait(step, arrival, message, seq, is_counted=False)
        return
    step.change(next_seq=(seq + 1) % _SEQUENCE)
    _apply(step, arrival, message)
    if node.early:
        _close_gap(step)


def _close_gap(step: _Step) -> None:
    """Apply what came early and is next by its number."""
    while (number := step.node.next_seq) in step.node.early:
        assert number is not None  # noqa: S101 - numbers that came early are none
        step.change(
            next_seq=(number + 1) % _SEQUENCE,
            early=step.node.early - {number},
        )
        entries = [e for e in step.node.waiting if e.seq == number and not e.is_counted]
        step.change(waiting=tuple(e for e in step.node.waiting if e not in entries))
        for entry in entries:
            _apply(step, entry.arrival, read(entry.arrival.payload))
    if not step.node.early:
        step.change(reorder_until=None)


def _apply(step: _Step, arrival: Arrival, message: Any) -> None:
    """Take a message that comes in its order."""
    match arrival.address.verb:
        case Verb.DBIRTH:
            _device_birth(step, arrival, message)
        case Verb.DDEATH:
            _device_death(step, arrival, message)
        case _:
            _data(step, arrival, message)


def _data(step: _Step, arrival: Arrival, message: Any) -> None:
    born = step.node.births.get(arrival.address.device)
    if born is None:
        step.ask(step.now)
        _wait(step, arrival, message, None, is_counted=True)
        return
    resolved = resolve(message, born.meanings)
    if resolved.news or not resolved.is_complete:
        step.ask(step.now)
    if resolved.is_complete:
        _forward(step, arrival, resolved.payload or arrival.payload)
    else:
        _wait(step, arrival, read(arrival.payload), None, is_counted=True)


# -- what is not certain yet --------------------------------------------------------------------


def _wait(
    step: _Step, arrival: Arrival, message: Any, seq: int | None, *, is_counted: bool
) -> None:
    """Let a message wait, unless it says all of itself and changes nothing."""
    verb = arrival.address.verb
    changes = verb in {Verb.DBIRTH, Verb.DDEATH}
    if not changes and is_plain(message):
        _forward(step, arrival, arrival.payload)
        return
    if changes and is_counted:
        # no birth of its edge node is in force, which would have to come first
        if verb is Verb.DDEATH:
            _device_death(step, arrival, message)
        else:
            _forward(step, arrival, arrival.payload)
        return
    entry = _Waiting(arrival=arrival, seq=seq, until=step.now + _WAIT_S, is_counted=is_counted)
    waiting = (*step.node.waiting, entry)
    _surrender(step, waiting[:-_MAX_WAITING])
    step.change(waiting=waiting[-_MAX_WAITING:])


def _release(step: _Step, device: str, known: Meanings) -> None:
    """Hand on what waited for this birth, as far as it explains it."""
    stay: list[_Waiting] = []
    for entry in step.node.waiting:
        address = entry.arrival.address
        if address.device != device:
            stay.append(entry)
        elif address.verb in {Verb.NDATA, Verb.DDATA}:
            resolved = resolve(read(entry.arrival.payload), known)
            _forward(step, entry.arrival, resolved.payload or entry.arrival.payload)
        else:
            _surrender(step, [entry])
    step.change(waiting=tuple(stay))


def _surrender(step: _Step, entries: Iterable[_Waiting]) -> None:
    """Hand on as it is what nothing explains."""
    for entry in entries:
        if entry.arrival.address.verb is Verb.DDEATH:
            _stale_device(step, entry.arrival, read(entry.arrival.payload))
        else:
            _forward(step, entry.arrival, entry.arrival.payload)


def _forward(step: _Step, arrival: Arrival, payload: bytes) -> None:
    step.effects.append(
        Forward(address=arrival.address, payload=payload, received_at=arrival.received_at)
    )


# -- time ---------------------------------------------------------------------------------------


def _timed(step: _Step) -> Outcome:
    """Do what is due, whatever else has happened."""
    now = step.now
    node = step.node
    if node.reorder_until is not None and node.reorder_until <= now:
        step.change(reorder_until=None)
        step.ask(now)
    expired = [entry for entry in step.node.waiting if entry.until <= now]
    if expired:
        _surrender(step, expired)
        step.change(waiting=tuple(e for e in step.node.waiting if e.until > now))
    node = step.node
    if node.ask_at is not None and node.ask_at <= now:
        _ask(step)
    return step.node, step.effects


def _ask(step: _Step) -> None:
    node, now = step.node, step.now
    asked = 0 if now - node.quiet_until > _FORGET_ASKING_S else node.asked
    again = now + min(_ASK_AGAIN_S * 2**asked, _ASK_AGAIN_AT_MOST_S)
    step.effects.append(AskRebirth(group=node.group, edge_node=node.edge_node))
    # until its birth comes it is asked again
    step.change(
        asked=asked + 1, quiet_until=again, ask_at=again if asked + 1 < _MAX_ASKED else None
    )
