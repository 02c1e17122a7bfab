"""A Patroni that sleeps on because the clock was set back is told from one that is well."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.cluster.patroni_watch import refusal, sleeps
from tests.patience import until

_NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("behind_s", "is_live", "asleep"),
    [
        (0, True, False),
        # etcd is away: Patroni sees to that itself
        (60, True, False),
        # the clock went forward, and Patroni looks at once
        (3 * 3600, True, False),
        # it went back, and Patroni sleeps until it is as late as it was
        (-3 * 3600, True, True),
        (-90, True, True),
        # within the seconds that it writes
        (-1, True, False),
        # the clock is right again, and it sleeps on
        (60, False, True),
    ],
)
def test_it_sleeps_where_it_has_looked_in_the_future_or_says_so(
    behind_s: float, is_live: bool, asleep: bool
) -> None:
    assert sleeps({"dcs_last_seen": _NOW - behind_s}, _NOW, is_live=is_live) is asleep


def test_one_that_does_not_answer_is_left_to_others() -> None:
    assert not sleeps(None, _NOW, is_live=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_that_sleeps_is_started_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    starts = tmp_path / "starts"
    starts.touch()

    class Asleep(BaseHTTPRequestHandler):
        """Answers for a child that sleeps, and only while there is one, as its own server would."""

        def do_GET(self) -> None:
            begun = starts.read_text().splitlines()
            is_there = bool(begun) and begun[-1].isdigit() and _is_alive(int(begun[-1]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"dcs_last_seen": %d}' % (99_999_999_999 if is_there else 0))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    # the third one ends by itself
    script = (
        "import os, pathlib, sys, time; p = pathlib.Path(sys.argv[1]);"
        " is_last = len(p.read_text().splitlines()) == 2;"
        " f = p.open('a'); f.write('last\\n' if is_last else f'{os.getpid()}\\n'); f.close();"
        " sys.exit(7) if is_last else time.sleep(600)"
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), Asleep)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    program = "import sys; from deploy.cluster import patroni_watch as w; w._LOOK_S = 0.05;"
    words = [sys.executable, "-c", f"{program} sys.exit(w.main(sys.argv[1], sys.argv[2:]))"]
    url = f"http://127.0.0.1:{server.server_port}"
    watch = subprocess.Popen([*words, url, sys.executable, "-c", script, str(starts)])
    try:
        until(lambda: watch.poll() is not None, "it ended with the one that ended by itself")
    finally:
        watch.kill()
        server.shutdown()
        server.server_close()
    assert watch.returncode == 7
    first, second, last = starts.read_text().splitlines()
    assert first != second
    assert last == "last"
    assert "Patroni sleeps" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("patroni 3.0.2", "Patroni 3.0.2 loses what was committed"),
        ("patroni 3.1.2", "install 3.2.0 or later"),
        ("patroni 3.2.0", ""),
        ("__main__.py 4.1.5", ""),
        ("no such option", "does not print a version of Patroni: no such option"),
    ],
)
def test_one_that_loses_what_was_committed_is_refused(printed: str, why: str) -> None:
    # its settings come last, and are no part of the question
    command = [sys.executable, "-c", f"import sys; assert len(sys.argv) == 2; print({printed!r})"]
    told = refusal([*command, "patroni.yaml"])
    assert why in told
    assert bool(told) is bool(why)


def test_one_that_cannot_be_run_is_refused() -> None:
    assert "cannot be run: No such file" in refusal(["/nowhere/patroni", "patroni.yaml"])
