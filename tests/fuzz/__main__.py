"""Fuzzes targets one after the other: ``python -m tests.fuzz [--seconds 30] [NAME ...]``."""

from __future__ import annotations

import argparse
import sys

from tests.examples import ROOT
from tests.fuzz.looking import look
from tests.fuzz.targets import TARGETS

FOUND = ROOT / ".tonne" / "fuzz"


def main() -> int:
    """Fuzz each for so long; 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    given = parser.parse_args()
    unknown = set(given.names) - set(TARGETS)
    if unknown:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    broken = [
        name
        for name in given.names or TARGETS
        if look(name, FOUND, f"-max_total_time={given.seconds}").returncode
    ]
    print(f"broken: {', '.join(broken) or 'none'}")  # noqa: T201
    return 1 if broken else 0


sys.exit(main())
