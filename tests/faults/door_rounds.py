"""One round of a way in: send by it while things go wrong, heal, wait until all is quiet."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.books import Books
from tests.faults.door_world import DoorWorld
from tests.faults.edge import SparkplugSender, UnknownSender
from tests.faults.fetched import MeterSender, RegisterSender
from tests.faults.nemesis import FAULTS, Fault, strike
from tests.faults.oracle import compare
from tests.faults.rounds import Played, wait_until_quiet
from tests.faults.senders import BackfillSender, HttpSender, ImportSender, Sender
from tests.faults.stations import StationSender
from tests.faults.uploader import UploadSender

#: One for each way in, by its name in the table of ways in.
SENDERS: tuple[type[Sender], ...] = (
    HttpSender,
    SparkplugSender,
    ImportSender,
    BackfillSender,
    UnknownSender,
    UploadSender,
    StationSender,
    MeterSender,
    RegisterSender,
)

#: Of the faults of a gateway's rounds; those of the API beside them.
_LEFT_OUT = ("disk", "registry", "aggregator to database")


DOOR_FAULTS: tuple[Fault, ...] = (
    *(fault for fault in FAULTS if not any(word in fault.name for word in _LEFT_OUT)),
    Fault(name="kill -9 api", strike=lambda world: world.service("api").kill()),
)


@dataclass(frozen=True, kw_only=True)
class DoorRound(Played):
    """A round of one way in."""

    way_in: str
    #: acknowledged in it
    readings: int


def senders(world: DoorWorld, books: Books) -> tuple[Sender, ...]:
    """Make one of each."""
    return tuple(sender(world, books) for sender in SENDERS)


def planned(seed: int, number: int, sender: Sender) -> tuple[tuple[Fault, ...], random.Random]:
    """The faults of a round; the same for the same seed and number."""
    dice = random.Random(f"{seed}/{number}")
    possible = [*sender.own_faults, *DOOR_FAULTS]
    # every fault in its turn for each way in, others at random beside it
    first = possible[number // len(SENDERS) % len(possible)]
    others = dice.sample([f for f in possible if f is not first], dice.choice([0, 1, 1, 2]))
    chosen = [first, *others]
    dice.shuffle(chosen)
    return tuple(chosen), dice


def play(
    world: DoorWorld, all_senders: Sequence[Sender], books: Books, seed: int, number: int
) -> DoorRound:
    """Play one round; the world is healthy before and after."""
    sender = all_senders[number % len(all_senders)]
    faults, dice = planned(seed, number, sender)
    before = books.count
    messages = dice.randrange(150, 350)
    told = list(sender.entries(number, messages, dice))
    sender.complaints.clear()
    sender.prepare(told)
    sender.begin(told, dice)
    pauses = tuple(dice.uniform(0.05, 0.8) for _ in range(len(faults) + 1))
    strike(world, faults, pauses)
    world.heal()
    healed = time.monotonic()
    sender.finish()
    stuck = wait_until_quiet(world, sender, books)
    if books.count == before:
        sender.complaints.append("nothing was acknowledged")
    recovery_s = time.monotonic() - healed
    sender.close()
    with world.connect() as connection:
        findings = compare(connection, books)
    return DoorRound(
        number=number,
        way_in=sender.name,
        faults=tuple(fault.name for fault in faults),
        readings=books.count - before,
        recovery_s=round(recovery_s, 2),
        findings=findings,
        stuck=" ".join([stuck, *sender.complaints]).strip(),
    )
