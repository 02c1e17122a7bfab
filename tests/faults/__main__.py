"""Plays many rounds of faults and keeps a journal: ``python -m tests.faults --rounds 200``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.faults.books import Books
from tests.faults.publisher import Publisher
from tests.faults.replay import failure
from tests.faults.rounds import play
from tests.faults.table import write_table
from tests.faults.world import SCHEMES, running_world

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Play the rounds; 0 if the promise was kept in every one."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--source", choices=list(SCHEMES), default="mqtt")
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--always", default=None, help="a fault that strikes in every round")
    parser.add_argument("--table", type=Path, default=None, help="write the result table here")
    given = parser.parse_args()
    journal = ROOT / ".tonne" / "faults" / f"{given.source}-seed-{given.seed}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    if given.first == 0:
        journal.unlink(missing_ok=True)
    began = time.monotonic()
    failed = 0
    with running_world(given.source) as world, journal.open("a") as lines:
        books = Books()
        publisher = Publisher(world.broker.port, books)
        try:
            for number in range(given.first, given.first + given.rounds):
                played = play(world, publisher, books, given.seed, number, always=given.always)
                failed += not played.passed
                lines.write(json.dumps(played.record()) + "\n")
                lines.flush()
                print(  # noqa: T201 - the progress of a long run
                    f"[{time.monotonic() - began:5.0f} s] round {number}:"
                    f" {', '.join(played.faults)}; {played.messages} messages,"
                    f" quiet after {played.recovery_s:.1f} s"
                    + (
                        ""
                        if played.passed
                        else failure(
                            "gateway",
                            (played.stuck, played.findings),
                            seed=given.seed,
                            number=number,
                            more=f" SOURCE={given.source}",
                        )
                    ),
                    flush=True,
                )
        finally:
            publisher.close()
    if given.table is not None:
        write_table(journal, given.table, seed=given.seed, source=given.source)
    print(f"{given.rounds} rounds, {failed} failed; {books.count} readings acknowledged")  # noqa: T201
    return 1 if failed else 0


sys.exit(main())
