"""What is fuzzed: each decoder, and what must hold of its answer whatever the bytes.

A target returns the names of what gave readings: a wire format as facility files name it, ``body``
and a form of ``POST /v1/readings``, or the ending of a file. Whatever a way in has of its own gets
its target here, and inputs that it reads in ``corpus``; ``test_ways_in`` asks for both.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.fuzz import (
    connection_targets,
    decoder_targets,
    door_targets,
    file_targets,
    packet_targets,
    stated_targets,
)

_CORPUS: Final = Path(__file__).parent / "corpus"

TARGETS: Final[Mapping[str, Callable[[bytes], set[str]]]] = {
    "native": decoder_targets.native,
    "json": decoder_targets.json,
    "families": decoder_targets.family_messages,
    "senml": decoder_targets.senml,
    "binary": decoder_targets.binary,
    "lines": decoder_targets.lines,
    "packed": decoder_targets.packed,
    "bodies": decoder_targets.bodies,
    "plain_lines": decoder_targets.plain_lines,
    "packets": packet_targets.packets,
    "packets_5": packet_targets.packets_5,
    "expressions": decoder_targets.expressions,
    "sparkplug": decoder_targets.sparkplug_b,
    "hj212": decoder_targets.hj212,
    "p1": connection_targets.p1,
    "modbus": connection_targets.modbus,
    "topics": door_targets.topics,
    "questions": door_targets.questions,
    "gzip_bodies": door_targets.gzip_bodies,
    "unknown_devices": door_targets.unknown_devices,
    "tables": file_targets.tables,
    "workbooks": file_targets.workbooks,
    "parquet": file_targets.parquet,
    "green_button": file_targets.green_button,
    "mscons": file_targets.mscons,
    "influx": file_targets.influx,
    "statistics": file_targets.statistics,
    "http_heads": stated_targets.http_heads,
    "facility_files": stated_targets.facility_files,
    "table_files": stated_targets.table_files,
}


def corpus(name: str) -> list[bytes]:
    """The inputs that are kept for a target: a bytes literal on each line."""
    lines = (_CORPUS / f"{name}.txt").read_text().splitlines()
    return [ast.literal_eval(line) for line in lines]
