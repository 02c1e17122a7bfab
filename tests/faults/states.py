"""Plays rounds of hard states: ``python -m tests.faults.states --rounds 100``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.stack import ROOT
from tests.faults.books import Books
from tests.faults.facility import FACILITY
from tests.faults.hard_states import STATES
from tests.faults.kilns import MINUTE, Kilns, now
from tests.faults.publisher import Publisher
from tests.faults.replay import failure
from tests.faults.scene import Scene
from tests.faults.state_rounds import planned, play
from tests.faults.state_world import running_state_world
from tests.faults.table import state_table, write_state_table
from tests.receivers import Webhook

#: Each round with kilns has four minutes of data, and no alert may say that none came for a day.
_KILN_MINUTES = 1300


class WiredWebhook(Webhook):
    """A receiver that is reached by a wire."""

    wired_port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.wired_port}/hook" if self.wired_port else super().url


@contextmanager
def set_scene() -> Iterator[Scene]:
    """Start a world and everything that rounds are played with."""
    with ExitStack() as stack:
        world = stack.enter_context(running_state_world())
        hook = WiredWebhook()
        stack.enter_context(hook)
        hook.wired_port = world.listen_for(stack, urlsplit(hook.url).port or 0)
        books = Books()
        publisher = Publisher(world.broker.port, books)
        stack.callback(publisher.close)
        # a round that is played alone may have nothing to publish
        publisher.send(FACILITY, (), per_second=1)
        kilns = Kilns(stack=world, hook=hook, since=now() - _KILN_MINUTES * MINUTE)
        kilns.found(world.directory)
        scene = Scene(world=world, publisher=publisher, books=books, kilns=kilns)
        world.apply(Path(scene.next_factors()))
        yield scene


def main() -> int:
    """Play the rounds; 0 if the promise was kept in every one and every state was reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.states")
    parser.add_argument("--rounds", type=int, default=len(STATES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--table", type=Path, default=None, help="write the result table here")
    parser.add_argument("--only", default="", help="states whose name contains this, no others")
    given = parser.parse_args()
    journal = ROOT / ".tonne" / "faults" / f"states-seed-{given.seed}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = 0
    reached: Counter[str] = Counter()
    numbers = [
        number
        for number in range(given.first, given.first + given.rounds)
        if given.only in planned(given.seed, number)[0].name
    ]
    with set_scene() as scene, journal.open("a" if given.first else "w") as lines:
        for number in numbers:
            played = play(scene, given.seed, number)
            failed += not played.passed
            reached[played.state] += bool(played.evidence)
            lines.write(json.dumps(played.record()) + "\n")
            lines.flush()
            print(  # noqa: T201 - the progress of a long run
                f"[{time.monotonic() - began:5.0f} s] round {number}: {played.state};"
                f" {played.took_s:.1f} s, quiet after {played.recovery_s:.1f} s"
                + (
                    ""
                    if played.passed
                    else failure(
                        "states",
                        (
                            played.stuck,
                            played.findings,
                            played.differ,
                            played.evidence or "the state was not reached",
                        ),
                        seed=given.seed,
                        number=number,
                    )
                ),
                flush=True,
            )
    names = {state.name: state.place for state in STATES}
    written = journal.with_suffix(".md")
    written.write_text(state_table(journal, seed=given.seed, names=names))
    if given.table is not None:
        write_state_table(journal, given.table, seed=given.seed, names=names)
    left = [name for name in names if not reached[name]]
    is_whole = not given.only and given.rounds >= len(STATES)
    for name in left if is_whole else ():
        print(f"never reached: {name}")  # noqa: T201 - the result, as below
    print(  # noqa: T201
        f"{len(numbers)} rounds, {failed} failed; {len(names) - len(left)} of {len(names)} states"
        f" reached, each as often as {written} says"
    )
    return 1 if failed or (is_whole and left) else 0


if __name__ == "__main__":
    sys.exit(main())
