"""What the rounds on many machines are made of; `make faults ON=cluster` plays them.

They are no part of `make test`: they take Patroni and etcd, which nothing else needs, the right to
make network namespaces, which a container seldom gives, and a minute before the first round.
`make faults ON=cluster ROUNDS=10` is what continuous integration can call on a machine of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.cluster_nemesis import FAULTS, planned
from tests.faults.table import write_cluster_table


def test_a_seed_plays_the_same_faults_again() -> None:
    for clocks in (False, True):
        for number in range(20):
            (one, dice), (again, other) = (planned(3, number, clocks=clocks) for _ in range(2))
            assert one == again
            assert dice.random() == other.random()
    assert planned(3, 1, clocks=False)[0] != planned(4, 1, clocks=False)[0]


def test_every_fault_has_its_turn() -> None:
    struck = {planned(1, number, clocks=False)[0][0].fault.name for number in range(len(FAULTS))}
    assert struck == {fault.name for fault in FAULTS}
    # a name is a row of the table
    assert len(struck) == len(FAULTS)


def test_the_table_counts_changes_of_the_primary_and_what_took_too_long(tmp_path: Path) -> None:
    page, journal = tmp_path / "faults.md", tmp_path / "rounds.jsonl"
    page.write_text(
        "# Faults\n\n<!-- the table of the last run on many machines; `make faults` writes it -->\n"
        "\nold\n\n## Other\n\nstays\n"
    )
    findings = {"lost": 0, "invented": 0, "wrong_minutes": 0, "quarantined": 0}
    played = {"faults": ["cut off primary"], "messages": 4, "passed": True, "findings": findings}
    lines = [
        {**played, "failed_over": over, "recovery_s": recovery_s, "late": recovery_s > 15}
        for over, recovery_s in ((True, 16.0), (False, 1.5), (False, 2.0))
    ]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_cluster_table(journal, page, seed=3, clocks=False)
    text = page.read_text()
    assert "old" not in text
    assert "Seed 3, 3 rounds, 24 acknowledged readings: 0 failed, 1 later than 15 s." in text
    assert "| cut off primary | 3 | 1 | 0 | 0 | 0 | 0 | 2.0 s | 16.0 s |\n\n## Other" in text
