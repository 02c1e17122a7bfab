"""The demo: its facilities in the registry, and their history up to now."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from deploy.local.places import REPOSITORY, Places
from deploy.local.problem import StackError
from deploy.local.processes import ending_with_starter

_HISTORY = timedelta(days=90)

#: Beyond this the simulator's live run would leave a gap behind the history.
_LONGEST_GAP = timedelta(seconds=60)


def migrate_and_apply(places: Places) -> None:
    """Bring the database to the newest schema and the demo's facility files into it.

    :raises StackError: with what the command said.
    """
    files = sorted(str(path) for path in (REPOSITORY / "deploy" / "demo").glob("*.yaml"))
    logs = [places.log_of(name) for name in ("migrate", "apply")]
    for log in logs:
        log.unlink(missing_ok=True)
    done = subprocess.run(
        ending_with_starter(["python", "-m", "deploy.local.migrate_and_apply", *files]),
        env=places.environment(),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # the second has a log when the first has done its work
        last = next((log for log in reversed(logs) if log.exists()), None)
        said = done.stderr if last is None else last.read_text(encoding="utf-8")
        tail = "\n".join(f"  {line}" for line in said.splitlines()[-12:])
        raise StackError(f"tonne {last.stem if last else 'migrate'} failed:\n{tail}")


def missing_history(places: Places, now: datetime) -> timedelta:
    """How far back the demo's history must be published: 90 days, or since the stack last ran."""
    try:
        until = datetime.fromisoformat(places.history_mark.read_text(encoding="utf-8").strip())
    except (FileNotFoundError, ValueError):
        return _HISTORY
    return min(max(now - until, timedelta(0)), _HISTORY)


def publish_history(places: Places) -> None:
    """Publish what is missing up to now; what is published twice changes nothing.

    Publishing takes time itself, so it goes on until what is left is too short to be a gap.

    :raises StackError: the simulator could not publish it.
    """
    while (missing := missing_history(places, datetime.now(UTC))) > _LONGEST_GAP:
        # the first minutes again: the live run may have ended between two samples
        days = (missing + timedelta(minutes=5)) / timedelta(days=1)
        ends_at = datetime.now(UTC)
        words = ["tonne-sim", "backfill", "--profile", "demo", "--days", f"{days:.6f}"]
        done = subprocess.run(
            ending_with_starter(words), env=places.environment(), cwd=REPOSITORY, check=False
        )
        if done.returncode != 0:
            raise StackError(
                "the demo's history could not be published (see above); run the command again"
            )
        mark_history(places, ends_at)


def mark_history(places: Places, until: datetime) -> None:
    """Remember that there is no gap in the demo's history before ``until``."""
    places.history_mark.write_text(until.isoformat(), encoding="utf-8")
