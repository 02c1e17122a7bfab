"""Plays rounds in which what notifies of breaches is killed: ``python -m tests.faults.alerts``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.core.store.schema import migrate
from tests.e2e.stack import ROOT, Stack, running_stack
from tests.faults import gates
from tests.faults.alert_rounds import MINUTES_A_ROUND, play
from tests.faults.kilns import MINUTE, Kilns, now
from tests.faults.replay import failure
from tests.faults.table import write_alert_table
from tests.receivers import Webhook
from tests.services import Nats, Postgres, server_directory


@contextmanager
def _stack() -> Iterator[Stack]:
    with server_directory(for_postgres=True) as data, server_directory() as store:
        database, broker = Postgres(data), Nats(store)
        try:
            database.start()
            broker.start()
            migrate.upgrade(database.url)
            with running_stack(database_url=database.url, mqtt_url=broker.url) as stack:
                yield stack
        finally:
            broker.kill()
            database.kill()


@contextmanager
def kilns_on(stack: Stack, *, rounds: int) -> Iterator[Kilns]:
    """The kilns, with time behind them for so many rounds."""
    gates.build(stack.database_url)
    with Webhook() as hook:
        kilns = Kilns(stack=stack, hook=hook, since=now() - (rounds * MINUTES_A_ROUND + 5) * MINUTE)
        kilns.found(stack.directory)
        yield kilns


def main() -> int:
    """Play the rounds; 0 if every breach and its end was notified in each."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.alerts")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--table", type=Path, default=None, help="write the result table here")
    given = parser.parse_args()
    journal = ROOT / ".tonne" / "faults" / f"alerts-seed-{given.seed}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = 0
    last, mode = given.first + given.rounds, "a" if given.first else "w"
    with _stack() as stack, kilns_on(stack, rounds=last) as kilns, journal.open(mode) as out:
        for number in range(given.first, last):
            played = play(kilns, given.seed, number)
            failed += not played.passed
            out.write(json.dumps(played.record()) + "\n")
            out.flush()
            print(  # noqa: T201 - the progress of a long run
                f"[{time.monotonic() - began:5.0f} s] round {number}: {played.step};"
                f" sent after {played.recovery_s:.1f} s, {played.findings.twice} came twice so far"
                + (
                    ""
                    if played.passed
                    else failure("alerts", played.findings, seed=given.seed, number=number)
                ),
                flush=True,
            )
        messages = len(kilns.hook.taken)
    if given.table is not None:
        write_alert_table(journal, given.table, seed=given.seed, messages=messages)
    print(f"{given.rounds} rounds, {failed} failed; {messages} messages received")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
