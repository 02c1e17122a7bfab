"""What a facility file may say of devices that ingest connects to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.core.facility.errors import FacilityFileError
from services.core.facility.file import parse

P1 = {"id": "meter", "format": "p1", "p1": {"host": "192.168.1.30", "port": 23}}
MODBUS = {"id": "meter", "format": "modbus", "modbus": {"host": "Meter.example.org."}}
IMPORT = {"id": "import", "quantity": "energy", "unit": "kWh", "kind": "counter"}
LINE = {**IMPORT, "from": "1-0:1.8.1"}
REGISTER = {**IMPORT, "register": {"address": 0}}


def file_with(device: dict[str, Any], *channels: dict[str, Any]) -> Any:
    facility = {"id": "linz", "name": "Linz", "timezone": "Europe/Vienna"}
    return parse(json.dumps({"facility": facility, "devices": [{**device, "channels": channels}]}))


def test_hosts_are_written_one_way() -> None:
    (device,) = file_with(MODBUS, REGISTER).devices
    assert (device.modbus.host, device.modbus.every) == ("meter.example.org", 60.0)
    assert device.channels[0].register_.length == 1


@pytest.mark.parametrize(
    ("device", "channels", "expected"),
    [
        ({**P1, "topic": "a"}, [LINE], "come from p1.host, or are published at topic"),
        ({"id": "meter", "format": "p1"}, [LINE], "needs where its telegrams come from"),
        ({**P1, "p1": {"host": "meter"}}, [LINE], "host and port belong together"),
        ({**P1, "p1": {"every": "10s"}, "topic": "a"}, [LINE], "say host and port, too"),
        ({**P1, "p1": {**P1["p1"], "key_env": "DATABASE"}}, [LINE], "TONNE_SECRET_DATABASE"),
        ({**P1, "p1": {**P1["p1"], "key_env": "0f 0e"}}, [LINE], "key_env is the name of"),
        (P1, [IMPORT], "needs from: the OBIS code"),
        (P1, [{**IMPORT, "from": "ENERGY.Total"}], "needs from: the OBIS code"),
        (P1, [LINE, {**LINE, "id": "again"}], "would count twice"),
        (P1, [{**LINE, "topic": "a"}], "topic maps another format"),
        ({**P1, "records": "a"}, [LINE], "records maps another format"),
        ({**P1, "format": "json", "topic": "a"}, [LINE], "p1 needs format: p1"),
        ({"id": "meter", "format": "modbus"}, [REGISTER], "needs where its registers are read"),
        ({**MODBUS, "topic": "a"}, [REGISTER], "registers are read, not published"),
        ({**MODBUS, "modbus": {"host": "a:502"}}, [REGISTER], "is no host"),
        ({**MODBUS, "modbus": {"host": "m", "every": "5s"}}, [REGISTER], "must lie between 10"),
        (MODBUS, [IMPORT], "needs where its value stands"),
        (MODBUS, [{**REGISTER, "from": "a"}], "register says where the value stands"),
        (MODBUS, [REGISTER, {**REGISTER, "id": "again"}], "would count twice"),
        (
            MODBUS,
            [{**REGISTER, "kind": "interval", "length": "15m", "stamp": "end"}],
            "would count each time",
        ),
        (
            MODBUS,
            [{**IMPORT, "register": {"address": 65_535, "type": "int32"}}],
            "ends behind the last register",
        ),
        ({"id": "meter"}, [REGISTER], "it needs format: modbus"),
    ],
)
def test_what_could_not_be_read_is_refused(
    device: dict[str, Any], channels: list[dict[str, Any]], expected: str
) -> None:
    with pytest.raises(FacilityFileError) as refused:
        file_with(device, *channels)
    messages = [problem.message for problem in refused.value.problems]
    assert any(expected in message for message in messages), messages
