"""Runs Patroni, and starts it again where its loop sleeps on although it should have looked.

It refuses one of before 3.2, which loses what was committed when it is started so.

Patroni plans its next look by the time of day. A clock that is set back by three hours lets it
sleep for three hours: its lease runs out, the standby, which sees a primary that is alive, neither
takes over nor follows any more, and every commit waits. Nothing is lost, and nothing goes on. Its
watchdog would end the machine; where there is none, this ends Patroni alone, which takes its
running database over within a second.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

_LOOK_S: Final = 1.0

#: So many looks in a row must find it asleep: less than a lease, more than a loop that is slow.
_LOOKS: Final = 5

#: An older one that is started beside its running primary forgets for which standby commits wait
#: (github.com/patroni/patroni/pull/2876): what it lets through then is nowhere else.
_SAFE_SINCE: Final = (3, 2, 0)

#: Patroni writes whole seconds.
_TOLERANCE_S: Final = 2.0


def sleeps(state: dict[str, Any] | None, present_s: float, *, is_live: bool) -> bool:
    """Return whether Patroni's loop has not run since the clock was set back, or for too long.

    ``state``: what Patroni says of itself, None: it does not answer, which is not for here;
    ``present_s``: the time of day; ``is_live``: what it says when it is asked for just that.
    """
    if state is None:
        return False
    looked_at = float(state.get("dcs_last_seen") or 0)
    return not is_live or looked_at > present_s + _TOLERANCE_S


def _ask(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - of our own
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def _is_asleep(url: str) -> bool:
    # its state comes with any status: that says which role it has
    status, body = _ask(f"{url}/patroni")
    live, _ = _ask(f"{url}/liveness")
    state = json.loads(body) if status else None
    return sleeps(state, time.time(), is_live=live != 503)


def _start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    # it dies with us, as if it had been alone
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *words])


def refusal(words: Sequence[str]) -> str:
    """Return why a command, Patroni's with its settings last, must not be run, or nothing."""
    asking = [*words[:-1], "--version"]
    try:
        asked = subprocess.run(asking, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{' '.join(asking)} cannot be run: {error.strerror}"
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", asked.stdout)
    if found is None:
        instead = (asked.stderr or asked.stdout).strip().rpartition("\n")[2]
        return f"{' '.join(asking)} does not print a version of Patroni: {instead}"
    if tuple(map(int, found.groups())) < _SAFE_SINCE:
        return (
            f"Patroni {found.group()} loses what was committed when it is started beside its"
            " running primary; install 3.2.0 or later"
        )
    return ""


def main(url: str, words: Sequence[str]) -> int:
    """Run a command, Patroni's, which answers at a URL; return how it ended."""
    patroni = _start(words)
    # it hands over before it ends
    signal.signal(signal.SIGTERM, lambda *_: patroni.terminate())
    found_asleep = 0
    # neither sleep() nor a wait for a process bears every clock that jumps
    pause = threading.Event()
    while (code := patroni.poll()) is None:
        pause.wait(_LOOK_S)
        found_asleep = found_asleep + 1 if _is_asleep(url) else 0
        if found_asleep >= _LOOKS:
            print("Patroni sleeps although it should have looked: starting it again", flush=True)
            patroni.kill()
            patroni.wait()
            patroni = _start(words)
            found_asleep = 0
    return code


if __name__ == "__main__":
    sys.exit(refusal(sys.argv[2:]) or main(sys.argv[1], sys.argv[2:]))
