"""Rounds of faults on many machines: ``python -m tests.faults.cluster --rounds 200``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from deploy.cluster import namespaces
from deploy.local.problem import StackError
from tests.faults.books import Books
from tests.faults.cluster_rounds import PROMISED_S, ClusterRounds, verified
from tests.faults.cluster_world import running_cluster
from tests.faults.publisher import Publisher
from tests.faults.replay import failure
from tests.faults.table import write_cluster_table

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Play the rounds in namespaces of our own; 0 if the promise was kept in every one."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument(
        "--only", type=int, nargs="*", default=None, help="rounds to play, no others"
    )
    parser.add_argument("--clocks", action="store_true", help="a clock jumps in every round")
    parser.add_argument("--minutes", type=float, default=600, help="begin no round after so long")
    parser.add_argument("--logs", type=Path, default=ROOT / ".tonne" / "cluster")
    parser.add_argument("--table", type=Path, default=None, help="write the result table here")
    given = parser.parse_args()
    if not namespaces.inside():
        try:
            words = [sys.executable, "-m", "tests.faults.cluster", *sys.argv[1:]]
            return namespaces.run_inside(words)
        except StackError as error:
            print(error)  # noqa: T201 - for whoever started it
            return 1
    kind = "clocks" if given.clocks else "cluster"
    journal = ROOT / ".tonne" / "faults" / f"{kind}-seed-{given.seed}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    if given.first == 0:
        journal.unlink(missing_ok=True)
    numbers = given.only or range(given.first, given.first + given.rounds)
    failed = _play(given, numbers, journal)
    if given.table is not None:
        write_cluster_table(journal, given.table, seed=given.seed, clocks=given.clocks)
    return 1 if failed else 0


def _play(given: argparse.Namespace, numbers: range | list[int], journal: Path) -> int:
    """Play rounds and return how many failed."""
    kind = "clocks" if given.clocks else "machines"
    began, played_rounds, failed, late = time.monotonic(), 0, 0, 0
    with running_cluster(given.logs, clocks=given.clocks) as world, journal.open("a") as lines:
        print(f"[{time.monotonic() - began:5.0f} s] the cluster is ready", flush=True)  # noqa: T201
        books = Books()
        publisher = Publisher(world.devices.port, books)
        rounds = ClusterRounds(world, publisher, books)
        try:
            for number in numbers:
                if time.monotonic() - began > given.minutes * 60:
                    break
                played = rounds.play(given.seed, number)
                played_rounds += 1
                failed += not played.passed
                late += played.late
                lines.write(json.dumps(played.record()) + "\n")
                lines.flush()
                print(  # noqa: T201 - the progress of a long run
                    f"[{time.monotonic() - began:5.0f} s] round {number}:"
                    f" {', '.join(played.faults)} ({played.lasted_s:.1f} s);"
                    f" {played.messages} messages, quiet after {played.recovery_s:.1f} s"
                    + (", another primary" if played.failed_over else "")
                    + (
                        ""
                        if played.passed
                        else failure(
                            kind,
                            (played.stuck, played.went_back, played.findings),
                            seed=given.seed,
                            number=number,
                            more=" ON=cluster",
                        )
                    ),
                    flush=True,
                )
        finally:
            publisher.close()
        whole, differ = rounds.findings(), verified(world)
        print(world.reads(), flush=True)  # noqa: T201 - the result
    print(  # noqa: T201 - the result
        f"{played_rounds} rounds, {failed} failed, {late} later than {PROMISED_S:.0f} s;"
        f" {books.count} readings acknowledged; of all of them {whole};"
        f" verify differs in {differ} hours"
    )
    return failed + differ + (not whole.clean)


if __name__ == "__main__":
    sys.exit(main())
