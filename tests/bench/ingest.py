"""How many messages become durable readings, beside what is physically possible and what others do.

Run by ``make bench``; prints a table and writes ``.tonne/bench/ingest.json``. Everything is real
and on this machine: NATS and PostgreSQL with the settings that tonne ships (a commit is on disk),
``tonne ingest``, and ``tonne-sim load`` with 150-byte messages of two values at QoS 1, sent when
they are due. A rate counts when it was kept up with: all of it stored, nothing left behind.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.throughput import peers, sinks, stages
from tests.bench.throughput.generator import VALUES
from tests.bench.throughput.latency import publish_to_queryable
from tests.bench.throughput.plant import Plant, Site, site
from tests.bench.throughput.search import sustained
from tests.bench.throughput.steady import Steady, steady

_BETWEEN = (14_000.0, 44_000.0)
_PEER_S = 10.0
_STAGE_S = 3.0
_PEERS = {"plain": peers.plain, "node_red": peers.node_red, "pathway": peers.pathway}


def say(found: Steady) -> None:
    """One line for what was tried."""
    verdict = "kept up" if found.keeps_up else "fell behind"
    print(
        f"    offered {found.offered_per_s:7.0f}/s: {found.messages_per_s:7.0f}/s stored in"
        f" {found.window_s:.0f} s, {verdict}; others used {found.used_by_others:.0%} of the CPU",
        flush=True,
    )


def measure_stages(ground: Site) -> dict[str, float]:
    """Each stage alone, messages a second; COPY in rows a second."""
    print("stages alone")
    with ground.plant() as plant:
        accept, subscriber = stages.broker_and_c_subscriber(plant, _STAGE_S)
    with ground.plant() as plant:
        receive = stages.client_receive_and_ack(plant, _STAGE_S)
    with ground.plant() as plant:
        decode = stages.decode_and_check(plant, _STAGE_S / 2)
        copy = stages.copy_limit(plant, _STAGE_S)
    found = {
        "broker_accept_per_s": accept,
        "broker_to_c_subscriber_per_s": subscriber,
        "client_receive_and_ack_per_s": receive,
        "decode_and_check_per_s": decode,
        "limit_copy_rows_per_s": copy,
    }
    return {name: round(value) for name, value in found.items()}


def measure_peers(ground: Site, rate: float) -> dict[str, Any]:
    """The others on the same load; the word why not for those that are not here."""
    found: dict[str, Any] = {}
    for name, peer in _PEERS.items():
        print(f"peer {name}")
        try:
            with ground.plant() as plant, peer(plant) as sink:
                run = steady(plant, sink, rate=rate, seconds=_PEER_S, patience_s=0)
        except peers.NotHereError as reason:
            print(f"    skipped: {reason}")
            found[name] = {"skipped": str(reason)}
        else:
            say(run)
            found[name] = asdict(run)
    return found


def caught_up(
    ground: Site, seconds: float, opened: Callable[[Plant], AbstractContextManager[sinks.Sink]]
) -> Steady:
    """The highest rate that a sink keeps up with."""
    with ground.plant() as plant, opened(plant) as sink:
        return sustained(plant, sink, seconds=seconds, between=_BETWEEN, say=say)


def measure(seconds: float, *, with_peers: bool) -> dict[str, Any]:
    """All of it, in one run."""
    with site() as ground:
        alone = measure_stages(ground)
        print("floor: mosquitto_sub into psql's COPY")
        floor = caught_up(ground, seconds, sinks.floor)
        print("tonne ingest")
        tonne = caught_up(ground, seconds, sinks.tonne)
        print("tonne ingest with the aggregator running")
        both = caught_up(ground, seconds, lambda plant: sinks.tonne(plant, aggregator=True))
        print("publish to queryable, at half the load")
        with ground.plant() as plant, sinks.tonne(plant):
            latency = publish_to_queryable(plant, rate=tonne.messages_per_s / 2, seconds=seconds)
        others = measure_peers(ground, tonne.offered_per_s) if with_peers else {}
    cpu = tonne.cpu_us_per_message
    readings_per_s = tonne.messages_per_s * VALUES
    limit_copy_rows_per_s = alone.pop("limit_copy_rows_per_s")
    return {
        "messages_per_s": tonne.messages_per_s,
        "readings_per_s": readings_per_s,
        "limit_copy_rows_per_s": limit_copy_rows_per_s,
        "floor_messages_per_s": floor.messages_per_s,
        "ratio_to_floor": round(tonne.messages_per_s / floor.messages_per_s, 3),
        "ratio_to_copy": round(readings_per_s / limit_copy_rows_per_s, 3),
        "p99_publish_to_queryable_ms": latency.p99_ms,
        "cpu_us_per_message": {name: cpu[name] for name in ("broker", "ingest", "postgres")},
        "generator_cpu_us_per_message": cpu["generator"],
        "with_aggregator_messages_per_s": both.messages_per_s,
        "stages": alone,
        "latency": asdict(latency),
        "floor": asdict(floor),
        "ingest_alone": asdict(tonne),
        "ingest_with_aggregator": asdict(both),
        "peers": others,
        "seconds": seconds,
        "load_average": os.getloadavg()[0],
    }


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    ratio = {"of the floor": "ratio_to_floor", "of the COPY limit (readings)": "ratio_to_copy"}
    lines = [
        *((f"{name.removesuffix('_per_s').replace('_', ' ')} alone", f"{value:,}/s")
          for name, value in figures["stages"].items()),
        ("COPY limit, rows", f"{figures['limit_copy_rows_per_s']:,}/s"),
        ("floor: mosquitto_sub | psql COPY", f"{figures['floor_messages_per_s']:,.0f}/s"),
        ("tonne ingest", f"{figures['messages_per_s']:,.0f}/s"),
        ("  readings", f"{figures['readings_per_s']:,.0f}/s"),
        *((f"  {name}", f"{figures[key]:.0%}") for name, key in ratio.items()),
        ("  with the aggregator", f"{figures['with_aggregator_messages_per_s']:,.0f}/s"),
        ("publish to queryable at half, p99", f"{figures['p99_publish_to_queryable_ms']} ms"),
        *((f"CPU of a message: {name}", f"{value} us")
          for name, value in figures["ingest_alone"]["cpu_us_per_message"].items()),
        *((f"peer {name}", f"{run['messages_per_s']:,.0f}/s" if "skipped" not in run else "skipped")
          for name, run in figures["peers"].items()),
    ]  # fmt: skip
    return "\n".join(f"{name:<42}{value:>14}" for name, value in lines)


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each steady state")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    arguments = parser.parse_args()
    figures = measure(arguments.seconds, with_peers=not arguments.no_peers)
    print(table(figures))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "ingest.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
