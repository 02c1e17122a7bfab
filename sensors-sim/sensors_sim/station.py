"""``tonne-sim hj212``: a data logger that speaks HJ 212 by TCP, for trying tonne out by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from sensors_sim.arguments import fail, finish, say
from sensors_sim.hj212 import DataLogger

_SET: Final = re.compile(r"([A-Za-z0-9]+)=(-?\d+(?:\.\d+)?)")

#: How long a host may take to answer before a logger gives up, as the standard has it for GPRS.
_PATIENCE_S: Final = 10.0


def hj212(
    port: Annotated[int, typer.Option(help="TONNE_HJ212_PORT of ingest.")],
    host: Annotated[str, typer.Option(help="Where ingest listens.")] = "127.0.0.1",
    mn: Annotated[str, typer.Option(help="MN of the station.")] = "010000A8900016F000169DC0",
    password: Annotated[str, typer.Option(help="PW of the station.")] = "123456",  # noqa: S107 - as delivered
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A factor and its value, such as a05001=237216; repeat."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many frames.")] = 1,
    every: Annotated[float, typer.Option(min=0, help="Seconds from one to the next.")] = 10.0,
) -> None:
    """Send present values (command 2011) as a station does, and wait for each answer."""
    factors = {}
    for text in values or ["a05001=237216", "a00000=100.5"]:
        stated = _SET.fullmatch(text)
        if stated is None:
            raise fail(f"--set takes a factor and a number, such as a05001=237216, not {text!r}")
        factors[stated[1]] = {"Rtd": stated[2], "Flag": "N"}
    finish(_speak(host, port, DataLogger(mn=mn, password=password), factors, count, every))


async def _speak(
    host: str,
    port: int,
    logger: DataLogger,
    factors: Mapping[str, Mapping[str, str]],
    count: int,
    every: float,
) -> None:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise fail(f"nobody listens at {host}:{port}: {error.strerror or error}") from None
    for number in range(count):
        if number:
            await asyncio.sleep(every)
        frame = logger.measure(datetime.now(UTC), factors)
        writer.write(frame)
        print(f"sent  {frame.decode().strip()}")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while logger.unanswered:
                    data = await reader.read(4096)
                    if not data:
                        raise fail("the host ended the connection without an answer")
                    logger.hear(data)
                    print(f"heard {data.decode().strip()}")
        except TimeoutError:
            say(f"tonne-sim: no answer within {_PATIENCE_S:g} s; see `tonne quarantine list`")
            raise typer.Exit(1) from None
    writer.close()
