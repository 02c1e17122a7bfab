"""Plays rounds of every way in beside the broker's: ``python -m tests.faults.doors``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.e2e.stack import ROOT
from tests.faults.books import Books
from tests.faults.door_rounds import play, senders
from tests.faults.door_world import running_door_world
from tests.faults.replay import failure
from tests.faults.table import write_door_table


def main() -> int:
    """Play the rounds; 0 if the promise was kept in every one."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.doors")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--table", type=Path, default=None, help="write the result table here")
    given = parser.parse_args()
    journal = ROOT / ".tonne" / "faults" / f"doors-seed-{given.seed}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = 0
    with running_door_world() as world, journal.open("a" if given.first else "w") as lines:
        books = Books()
        all_senders = senders(world, books)
        for number in range(given.first, given.first + given.rounds):
            played = play(world, all_senders, books, given.seed, number)
            failed += not played.passed
            lines.write(json.dumps(played.record()) + "\n")
            lines.flush()
            print(  # noqa: T201 - the progress of a long run
                f"[{time.monotonic() - began:5.0f} s] round {number}: {played.way_in};"
                f" {', '.join(played.faults)}; {played.readings} readings,"
                f" quiet after {played.recovery_s:.1f} s"
                + (
                    ""
                    if played.passed
                    else failure(
                        "doors", (played.stuck, played.findings), seed=given.seed, number=number
                    )
                ),
                flush=True,
            )
    if given.table is not None:
        write_door_table(journal, given.table, seed=given.seed)
    print(f"{given.rounds} rounds, {failed} failed; {books.count} readings acknowledged")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
