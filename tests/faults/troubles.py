"""Hard states of a machine: a clock that jumps, no memory, no files, a full disk, a line cut off.

Each returns what showed that it was there; empty: nothing did.
"""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.scene import Scene
from tests.faults.wire import Wire
from tests.patience import until
from tests.services import Postgres, Server, server_directory

#: What says that there was too little, in the logs of all that runs here.
_NO_MEMORY: Final = ("MemoryError", "Cannot allocate memory", "ut of memory", "cannot allocate")
#: libpq has no word for it
_NO_FILES: Final = ("oo many open files", "EMFILE", "no error details available")
_NO_ROOM: Final = ("o space left on device", "could not extend", "disk is full", "DiskFull")

_SHOWS_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something is wrong with a machine for a while."""

    name: str
    place: str
    #: brings it about while readings come, and takes it away; what showed it
    bring: Callable[[Scene], str]

    def reach(self, scene: Scene) -> str:
        """Bring it about; return the evidence."""
        return self.bring(scene)

    def check(self, scene: Scene) -> None:
        """Find nothing wrong beside what is looked at in every round."""


# -- clocks ---------------------------------------------------------------------------------------


def _clock_of(word: str, offset: str) -> Callable[[Scene], str]:
    """Let a process's clock jump; all goes on right while it is wrong."""

    def bring(scene: Scene) -> str:
        with scene.world.clocked(word) as clock:
            service = scene.world.service(word)
            begin = _size(service.log)
            clock.jump_to(offset)
            scene.publish()
            until(lambda: _logged(service.log, begin, ("clock is wrong",)), "it notices")
            if word == "notify":
                scene.settle_breach()
                scene.alerts_are_right()
            stuck = scene.quiet()
            assert not stuck, stuck
            return _logged(service.log, begin, ("clock is wrong",))

    return bring


def _database_clock(*offsets: str) -> Callable[[Scene], str]:
    """Let the database's clock jump and go back, while data come and hours are restated.

    Nothing of what is known shows it, neither while it is wrong nor later.
    """

    def bring(scene: Scene) -> str:
        world = scene.world
        scene.settle_closed()
        evidence = ""
        with world.clocked_database() as clock:
            world.heal()
            service = world.aggregator
            for offset in offsets:
                line = _says_after(service, lambda at=offset: clock.jump_to(at), _JUMPED)
                evidence = evidence or line
                scene.publish_late()
                scene.correct_factor()
                stuck = scene.quiet()
                assert not stuck, stuck
                scene.hours_add_up()
            _says_after(service, lambda: clock.jump_to("+0s"), _IS_RIGHT)
            scene.publish_late()
            stuck = scene.quiet()
            assert not stuck, stuck
        world.heal()
        scene.hours_are_restated()
        return evidence

    return bring


_JUMPED: Final = ("database's clock jumped",)
_IS_RIGHT: Final = ("database's clock is right",)


def _says_after(service: Server, change: Callable[[], None], words: tuple[str, ...]) -> str:
    """Change something and wait until a process says so; return the line."""
    begin = _size(service.log)
    change()
    return str(until(lambda: _logged(service.log, begin, words), f"{words[0]!r} is logged"))


# -- memory and files -----------------------------------------------------------------------------


def _no_memory(word: str) -> Callable[[Scene], str]:
    """Give a process no more memory than it has; whatever it does, nothing is lost or wrong."""

    def bring(scene: Scene) -> str:
        service = scene.world.service(word)
        # one that has worked has memory of its own to go on with
        service.kill()
        service.start()
        begin = _size(service.log)
        resource.prlimit(service.pid, resource.RLIMIT_AS, (_address_space(service.pid),) * 2)
        scene.publish()
        evidence = _shown(service, begin, _NO_MEMORY)
        # as a supervisor does, and an administrator who has given it more
        service.kill()
        service.start()
        return evidence

    return bring


def _no_files(pick: Callable[[Scene], Server], lines: tuple[str, ...]) -> Callable[[Scene], str]:
    """Let a process open no file more while its connections end; it goes on when it may again."""

    def bring(scene: Scene) -> str:
        server = pick(scene)
        begin = _size(server.log)
        most = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, most[1]))
        for line in lines:
            scene.world.wire(line).cut()
        scene.publish()
        evidence = _shown(server, begin, _NO_FILES)
        if server.running:
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, most)
        if server is scene.world.broker:
            # as after a full disk NATS acknowledges nothing more until it is started again
            server.kill()
        return evidence

    return bring


def _shown(server: Server, begin: int, words: tuple[str, ...]) -> str:
    deadline = time.monotonic() + _SHOWS_S
    while time.monotonic() < deadline:
        if line := _logged(server.log, begin, words):
            return line
        if not server.running:
            # it says why before it ends
            return _logged(server.log, begin, words)
        time.sleep(0.05)
    return ""


def _address_space(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _logged(log: Path, begin: int, words: tuple[str, ...]) -> str:
    with log.open("rb") as lines:
        lines.seek(begin)
        for line in lines.read().decode(errors="replace").splitlines():
            if any(word in line for word in words):
                return line.strip()[:160]
    return ""


# -- disks ----------------------------------------------------------------------------------------


def _full_disk(scene: Scene) -> str:
    """Leave the database no room; ingest takes no message from the broker until there is again."""
    disk = scene.world.database_disk
    if not disk.mounted:
        return ""
    ingest = scene.world.ingest
    begin = _size(ingest.log)
    disk.fill()
    scene.publish()
    evidence = _shown(ingest, begin, _NO_ROOM)
    disk.free()
    return evidence


def _full_broker(scene: Scene) -> str:
    """Leave the broker no room; it acknowledges nothing that it has not kept."""
    disk = scene.world.broker_disk
    if not disk.mounted:
        return ""
    begin = _size(scene.world.broker.log)
    disk.fill()
    scene.publish()
    return _shown(scene.world.broker, begin, _NO_ROOM)


# -- lines ----------------------------------------------------------------------------------------


def _cut_off(*lines: str) -> Callable[[Scene], str]:
    """Let nothing through on some lines, and break none, while readings come."""

    def bring(scene: Scene) -> str:
        world = scene.world
        wires: list[Wire] = [world.wire(line) for line in lines]
        for wire in wires:
            wire.stall()
        before = sum(wire.delayed for wire in wires)
        scene.publish()
        seconds = round(scene.dice.uniform(1, 6), 1)
        time.sleep(seconds)
        delayed = sum(wire.delayed for wire in wires) - before
        for wire in wires:
            wire.flow()
        return f"{delayed} packets waited, for up to {seconds} s" if delayed else ""

    return bring


# -- stored blocks --------------------------------------------------------------------------------


class _CopiedPostgres(Postgres):
    """A server on a copy of another one's files, which does not run while they are copied."""

    def __init__(self, directory: Path, original: Path) -> None:
        self._original = original
        super().__init__(directory)

    def make_cluster(self) -> None:
        subprocess.run(["cp", "-a", str(self._original), str(self.data_dir)], check=True)
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)


def _flipped_bit(table: str) -> Callable[[Scene], str]:
    """Flip a bit of a page of a copy of the database; who reads it there is told."""

    def bring(scene: Scene) -> str:
        world = scene.world
        scene.settle_packed()
        with world.connect() as connection:
            connection.execute("CHECKPOINT")
            row = connection.execute(
                "SELECT pg_relation_filepath(%s::regclass)", (table,)
            ).fetchone()
        assert row is not None
        world.postgres.stop()
        with server_directory(for_postgres=True) as directory:
            copy = _CopiedPostgres(directory, world.postgres.data_dir)
            world.postgres.start()
            page = copy.data_dir / str(row[0])
            with page.open("r+b") as file:
                # within the newest row of the first page: rows are filled from its end
                file.seek(8192 - 64)
                byte = file.read(1)[0]
                file.seek(8192 - 64)
                file.write(bytes([byte ^ 1 << scene.dice.randrange(8)]))
            try:
                copy.start()
                return scene.refusal_of(copy)
            finally:
                copy.kill()

    return bring


TROUBLES: Final = (
    *(
        Trouble(name=f"the clock of {name} jumps by {offset}", place="clocks",
                bring=_clock_of(word, offset))
        for word, name in (("ingest", "ingest"), ("aggregate", "the aggregator"),
                           ("notify", "the notifier"))
        for offset in ("+3h", "-3h")
    ),
    *(
        Trouble(name=f"the clock of the database jumps by {name}", place="clocks",
                bring=_database_clock(*offsets))
        for name, offsets in (("+3h", ("+3h",)), ("-3h", ("-3h",)),
                              ("+3h, then by -6h", ("+3h", "-3h")))
    ),
    *(
        Trouble(name=f"{name} has no memory left", place="machine", bring=_no_memory(word))
        for word, name in (("ingest", "ingest"), ("aggregate", "the aggregator"))
    ),
    *(
        Trouble(name=f"{name} may open no file more", place="machine",
                bring=_no_files(pick, lines))
        for name, pick, lines in (
            ("ingest", lambda scene: scene.world.ingest, ("ingest", "mqtt")),
            ("the aggregator", lambda scene: scene.world.aggregator, ("aggregator",)),
            ("the notifier", lambda scene: scene.world.notifier, ("notifier",)),
            ("the broker", lambda scene: scene.world.broker, ("mqtt",)),
        )
    ),
    Trouble(name="the database's disk is full", place="machine", bring=_full_disk),
    Trouble(name="the broker's disk is full", place="machine", bring=_full_broker),
    *(
        Trouble(name=f"{name} cut off", place="network", bring=_cut_off(*lines))
        for name, lines in (
            ("ingest is from the broker", ("mqtt",)),
            ("ingest is from the database", ("ingest",)),
            ("ingest is from both", ("mqtt", "ingest")),
            ("the aggregator is from the database", ("aggregator",)),
            ("the database is from everybody", ("ingest", "aggregator", "notifier", "api")),
        )
    ),
    *(
        Trouble(name=f"a bit flips in a page of {what}", place="store", bring=_flipped_bit(table))
        for what, table in (("packed readings", "packed_readings"),
                            ("packed minutes", "packed_minutes"),
                            ("packed hours", "packed_hours"))
    ),
)  # fmt: skip
"""Every one of them."""
