"""``tonne-sim load`` as a process: 150-byte messages of two values at QoS 1, at a fixed pace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

FACILITY = "load"
VALUES = 2

_PROGRAM = str(Path(sys.executable).parent / "tonne-sim")
_SHAPE = ["--devices", "100", "--connections", "4", "--window", "2000"]
_DRAIN_S = 30


#: A device of the facility that the load leaves alone.
PROBE = "probe-1"
_PROBE_YAML = f"""\
  - id: {PROBE}
    channels:
      - {{id: import-energy, quantity: energy, unit: kWh, kind: counter}}
      - {{id: import-power, quantity: power, unit: kW, kind: gauge, max_gap: 120}}
"""


def facility_yaml() -> str:
    """The facility file of the load's devices and the probe."""
    done = subprocess.run(
        [_PROGRAM, "load", *_SHAPE, "--print-facility"], capture_output=True, text=True, check=True
    )
    return done.stdout.replace("devices:\n", f"devices:\n{_PROBE_YAML}")


class Generator:
    """A running load; :meth:`books` waits for its end."""

    def __init__(self, broker: str, rate: float | None, seconds: float) -> None:
        """``rate`` in messages a second with intended send times; None: as fast as it can."""
        pace = "max" if rate is None else f"{rate:g}"
        command = [
            *("setpriv", "--pdeathsig", "KILL", "--", _PROGRAM, "load", "--json", *_SHAPE),
            *("--broker", broker, "--rate", pace),
            *("--duration", f"{seconds:g}", "--drain", str(_DRAIN_S)),
        ]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._seconds = seconds

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def books(self) -> dict[str, Any]:
        """What was sent and acknowledged, once the load has ended."""
        out, _ = self._process.communicate(timeout=self._seconds + _DRAIN_S + 30)
        if self._process.returncode:
            raise RuntimeError(f"tonne-sim load ended with {self._process.returncode}")
        books: dict[str, Any] = json.loads(out)
        return books

    def __enter__(self) -> Generator:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
