"""What a facility file may say of devices that ingest connects to: P1 ports, and Modbus by TCP."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from services.core.facility.fields import (
    DurationS,
    EveryS,
    Part,
    SecretVariable,
    Zone,
    is_stated,
)

#: Formats of devices that ingest connects to, or may.
CONNECTED: Final = frozenset({"p1", "modbus"})

#: Local times of P1 ports without another zone, as in Belgium, Luxembourg, the Netherlands, Sweden.
P1_ZONE: Final = "Europe/Amsterdam"

_HOST_NAME: Final = re.compile(
    r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?\Z"
)

#: Registers of 16 bits that a number has.
REGISTERS: Final = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
}

_LAST_ADDRESS: Final = 0xFFFF


def _host(name: str, info: ValidationInfo) -> str:
    if not is_stated(info):
        return name
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if len(name) > 253 or not _HOST_NAME.match(name):
            raise ValueError(
                f"{name[:60]!r} is no host: write its name or address alone, such as"
                " meter.example.org or 192.168.1.20; the port is a key of its own"
            ) from None
    return name.lower().removesuffix(".")


Host = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_host)]
Port = Annotated[int, Field(strict=True, ge=1, le=65_535)]
Address = Annotated[int, Field(strict=True, ge=0, le=_LAST_ADDRESS)]


class P1(Part):
    """A P1 port that is reached by TCP, and how its telegrams are read."""

    host: Host | None = Field(
        None,
        examples=["192.168.1.30"],
        description=(
            "Name or address of what has the P1 port at a TCP port: a dongle, or ser2net beside a"
            " cable. Ingest connects to it if TONNE_DEVICE_HOSTS names it. Default: telegrams are"
            " published at the device's topic."
        ),
    )
    port: Port | None = Field(
        None, examples=[23], description="Its TCP port, such as 23, 8088 or 2001."
    )
    every: DurationS | None = Field(
        None,
        examples=["10s"],
        description=(
            "How long after a telegram others are passed over, such as 10s of a meter that sends"
            " one a second. Default: none is."
        ),
    )
    timezone: Zone = Field(
        P1_ZONE,
        examples=["Europe/Amsterdam"],
        description="IANA time zone of the meter's clock, whose times end in S in summer, else W.",
    )
    key_env: SecretVariable | None = Field(
        None,
        examples=["TONNE_SECRET_P1"],
        description=(
            "Environment variable of ingest with the key of encrypted telegrams, as in Luxembourg:"
            " 32 hexadecimal digits. Only TONNE_SECRET_* may be named. Default: telegrams are not"
            " encrypted."
        ),
    )

    @model_validator(mode="after")
    def _host_and_port(self) -> P1:
        if (self.host is None) != (self.port is None):
            raise ValueError("host and port belong together: say both, such as port: 23")
        if self.host is None and self.every is not None:
            raise ValueError("every is of telegrams that ingest fetches: say host and port, too")
        return self


class Modbus(Part):
    """A device whose registers ingest reads by Modbus TCP."""

    host: Host = Field(
        examples=["192.168.1.40"],
        description=(
            "Name or address of the device or gateway. Ingest connects to it if TONNE_DEVICE_HOSTS"
            " names it."
        ),
    )
    port: Port = Field(502, examples=[502], description="Its TCP port.")
    unit: Annotated[int, Field(strict=True, ge=0, le=255)] = Field(
        1,
        examples=[1],
        description="Which device behind the address: its unit or slave number, 0 to 255.",
    )
    every: EveryS = Field(
        60.0,
        examples=["1m"],
        description=(
            "How often its registers are read, at the same seconds of each minute: 10 s or more."
        ),
    )
    timeout: Annotated[DurationS, Field(le=30)] = Field(
        3.0,
        examples=["3s"],
        description="How long an answer may take, up to 30 s; then the device is offline.",
    )
    transport: Literal["tcp", "rtu-over-tcp"] = Field(
        "tcp",
        examples=["rtu-over-tcp"],
        description=(
            "tcp: Modbus TCP. rtu-over-tcp: frames of a serial line with their CRC, as plain"
            " serial servers hand them on."
        ),
    )
    pause: Annotated[float, Field(ge=0, le=5)] = Field(
        0.0,
        examples=[0.1],
        description="Seconds of rest between two requests, for devices that need them.",
    )


class Register(Part):
    """Where in a Modbus device a value stands."""

    address: Address = Field(
        examples=[19026],
        description=(
            "Address of the first register as in the protocol, from 0. What a manual calls 40001 is"
            " holding register 0, 30001 input register 0."
        ),
    )
    function: Literal["holding", "input"] = Field(
        "holding",
        examples=["input"],
        description="holding: function 3, read holding registers. input: function 4.",
    )
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"] = (
        Field(
            "uint16",
            examples=["float32"],
            description=(
                "What the registers are: a whole number with (int) or without sign (uint), or a"
                " number of IEEE 754 (float), of so many bits."
            ),
        )
    )
    byte_order: Literal["big", "little"] = Field(
        "big",
        examples=["little"],
        description=(
            "Which byte of a register comes first: big, the one that counts more, as the protocol"
            " has it, or little."
        ),
    )
    word_order: Literal["big", "little"] = Field(
        "big",
        examples=["little"],
        description=(
            "Which register of a longer number comes first: big, the one that counts more, or"
            " little."
        ),
    )
    power_of_ten: Address | None = Field(
        None,
        examples=[40084],
        description=(
            "Address of a register of the same function, int16, whose power of ten the value is"
            " multiplied by: a scale factor of SunSpec. Default: none."
        ),
    )

    @property
    def length(self) -> int:
        """How many registers the value takes."""
        return REGISTERS[self.type]

    @model_validator(mode="after")
    def _fits(self) -> Register:
        if self.address + self.length - 1 > _LAST_ADDRESS:
            raise ValueError(f"{self.type} at {self.address} ends behind the last register, 65535")
        return self
