"""Lines of InfluxDB's line protocol from what a DLMS/COSEM meter pushes at its HAN port.

For Telegraf, or whatever else publishes lines by MQTT. Bytes of HDLC frames come at standard input,
as a serial server or a cable gives them; each data notification becomes one line at standard
output, a field for each register, named by its OBIS code::

    socat -u TCP:192.168.1.50:2001 - | python han_lines.py
    han 1.0.1.7.0.255=1122,1.0.1.8.0.255=10049926

For meters that say scaler and unit of each register, as Aidon's do: values are in W, Wh, V, A, var
and varh. Needs dlms-cosem 21.3, which comes with tonne. What cannot be read, or has a wrong check
sequence, is passed over and told at standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from dlms_cosem.hdlc.frames import UnnumberedInformationFrame
from dlms_cosem.protocol.xdlms import DataNotification
from dlms_cosem.utils import parse_as_dlms_data

_FLAG: Final = 0x7E
#: Of a frame's format field: type 3, and the bits of its length, which counts neither flag.
_TYPE, _TYPE_BITS, _LENGTH_BITS = 0xA0, 0xF0, 0x07FF
#: Destination, source and quality of the LLC sublayer, before the data.
_LLC_BYTES: Final = 3
_OBIS_BYTES: Final = 6
#: Who sends more without a frame sends none.
_LONGEST_BYTES: Final = 4096


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Cut HDLC frames out of a stream."""
    buffer = b""
    while data := stream.read1(1024):  # type: ignore[attr-defined]
        buffer = (buffer + data)[-_LONGEST_BYTES:]
        while (begin := buffer.find(_FLAG)) >= 0 and len(buffer) >= begin + 3:
            buffer = buffer[begin:]
            length = 2 + (int.from_bytes(buffer[1:3], "big") & _LENGTH_BITS)
            if buffer[1] & _TYPE_BITS != _TYPE:
                buffer = buffer[1:]
            elif len(buffer) < length:
                break
            elif buffer[length - 1] == _FLAG:
                yield buffer[:length]
                buffer = buffer[length:]
            else:
                buffer = buffer[1:]


def registers(frame: bytes) -> dict[str, float]:
    """Return what a frame says of each register, by OBIS code.

    :raises Exception: it is no data notification; the library names no closed set.
    """
    payload = UnnumberedInformationFrame.from_bytes(frame).payload[_LLC_BYTES:]
    rows = parse_as_dlms_data(DataNotification.from_bytes(payload).body)
    return dict(_described(rows))


def _described(rows: list[Any]) -> Iterator[tuple[str, float]]:
    """Yield codes and values of rows that are a code, a number, and a scaler with its unit."""
    for row in rows:
        match row:
            case [code, int(number), [int(scaler), int(_unit)]] if _is_code(code):
                yield _written(code), float(f"{number}e{scaler}")


def _is_code(value: Any) -> bool:
    return isinstance(value, bytes | bytearray) and len(value) == _OBIS_BYTES


def _written(code: bytes) -> str:
    return ".".join(map(str, code))


def main() -> None:
    """Read until standard input ends."""
    for frame in frames(sys.stdin.buffer):
        try:
            fields = registers(frame)
        except Exception as error:  # noqa: BLE001 - one frame must not end it for all
            sys.stderr.write(f"passed over a frame of {len(frame)} bytes: {error}\n")
            continue
        if fields:
            listed = ",".join(f"{code}={number:.15g}" for code, number in fields.items())
            sys.stdout.write(f"han {listed}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
