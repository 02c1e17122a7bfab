"""What it costs the broker to sync its store to disk more often: messages accepted a second.

Run by ``make bench``; prints a table and writes ``.tonne/bench/broker_sync.json``. NATS with the
settings that tonne ships but for ``sync_interval``, one consumer that is there and takes what
comes, and ``tonne-sim load`` with 150-byte messages at QoS 1, as fast as they are acknowledged.
The intervals take turns, so that a neighbour's load meets all of them.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
from pathlib import Path
from typing import Final

from tests.bench.throughput.generator import Generator
from tests.services import Nats, server_directory

_INTERVALS: Final = ("2m", "1s", "100ms", "10ms", "always")
_SETTING: Final = re.compile(r'sync_interval: "[^"]+"')


def accepted_per_s(interval: str, seconds: float) -> float:
    """Messages a second from PUBLISH to PUBACK while a C subscriber takes them."""
    with server_directory() as directory:
        broker = Nats(directory)
        settings = directory / "tonne.conf"
        text, replaced = _SETTING.subn(f'sync_interval: "{interval}"', settings.read_text())
        assert replaced == 1
        settings.write_text(text)
        broker.start()
        try:
            command = ["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-c", "-i", "stage"]
            command += ["-t", "emissions/#", "-F", "%p"]
            subprocess.run([*command, "-E"], check=True, timeout=30)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as consumer:
                try:
                    with Generator(broker.url, None, seconds) as generator:
                        return float(generator.books()["messages_per_s"])
                finally:
                    consumer.kill()
        finally:
            broker.stop()


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each interval")
    arguments = parser.parse_args()
    rates: dict[str, list[float]] = {interval: [] for interval in _INTERVALS}
    for _ in range(arguments.runs):
        for interval, seen in rates.items():
            seen.append(accepted_per_s(interval, arguments.seconds))
    medians = {interval: round(statistics.median(seen)) for interval, seen in rates.items()}
    for interval, rate in medians.items():
        low, high = min(rates[interval]), max(rates[interval])
        print(f"{interval:>7}: {rate:7}/s ({low:.0f} to {high:.0f}), {rate / medians['2m']:.0%}")
    target = Path(".tonne/bench/broker_sync.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
