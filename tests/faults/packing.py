"""Plays rounds in which days are packed and opened: ``python -m tests.faults.packing``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.stack import ROOT
from tests.faults import gates
from tests.faults.books import Books
from tests.faults.packing_rounds import play
from tests.faults.publisher import Publisher
from tests.faults.replay import failure
from tests.faults.table import write_packing_table
from tests.faults.world import World, running_world


@contextmanager
def packing_world() -> Iterator[World]:
    """A world whose aggregator packs what has just come, with gates in its database."""
    with running_world(packing=True) as world:
        gates.build(world.postgres.url, gates.PACKING_GATES)
        yield world


def main() -> int:
    """Play the rounds; 0 if the promise was kept in every one."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.packing")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--table", type=Path, default=None, help="write the result table here")
    given = parser.parse_args()
    journal = ROOT / ".tonne" / "faults" / f"packing-seed-{given.seed}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = 0
    with packing_world() as world, journal.open("a" if given.first else "w") as lines:
        books = Books()
        publisher = Publisher(world.broker.port, books)
        try:
            for number in range(given.first, given.first + given.rounds):
                played = play(world, publisher, books, given.seed, number)
                failed += not played.passed
                lines.write(json.dumps(played.record()) + "\n")
                lines.flush()
                print(  # noqa: T201 - the progress of a long run
                    f"[{time.monotonic() - began:5.0f} s] round {number}: {played.step};"
                    f" {played.readings} readings, packed after {played.recovery_s:.1f} s"
                    + (
                        ""
                        if played.passed
                        else failure(
                            "packing",
                            (played.stuck, played.findings, played.differ),
                            seed=given.seed,
                            number=number,
                        )
                    ),
                    flush=True,
                )
        finally:
            publisher.close()
    if given.table is not None:
        write_packing_table(journal, given.table, seed=given.seed)
    print(f"{given.rounds} rounds, {failed} failed; {books.count} readings acknowledged")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
