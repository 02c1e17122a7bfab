"""A page for each example of a device whose payload cannot be changed."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.reference.markdown import page

_EXAMPLES = Path(__file__).parents[1] / "examples" / "devices"

_NAMES = {
    "dsmr-reader-json": "DSMR-reader, one JSON topic",
    "dsmr-reader-split": "DSMR-reader, a topic for each value",
    "emoncms": "Emoncms and emonHub",
    "oesterreichs-energie": "Oesterreichs Energie smart meter adapter",
    "openems": "OpenEMS",
    "senml": "SenML sensors",
    "shelly-gen1": "Shelly, first generation",
    "shelly-gen2": "Shelly, second generation and later",
    "tasmota": "Tasmota",
    "thingsboard": "ThingsBoard devices and gateways",
    "zigbee2mqtt": "Zigbee2MQTT",
}


def pages_of_devices() -> dict[str, str]:
    """Return a page for each facility file in ``deploy/examples/devices``, by file name."""
    paths = sorted(_EXAMPLES.glob("*.yaml"))
    return {"index.md": _index(paths), **{f"{path.stem}.md": _page(path) for path in paths}}


def _index(paths: list[Path]) -> str:
    rows = [f"- [{_NAMES.get(path.stem, path.stem)}]({path.stem}.md)" for path in paths]
    return page(
        "Mapping other payload formats",
        "A device whose payload cannot be changed has a `topic` and a `format` in its facility"
        " file, and each channel says `from` where in the payload its value stands. Every key is"
        " in the [facility file's reference](../../reference/facility-file.md); what holds for"
        " times, lists and missing keys is in [what holds for a mapping](mapping.md). What one"
        " value may look like, with a key for each way, is in [recipes](recipes.md).",
        "A complete file for each of these, tested with the payloads that the makers document:",
        "\n".join(rows),
    )


def _page(path: Path) -> str:
    text = _without_editor_line(path.read_text(encoding="utf-8"))
    head = re.match(r"(?:#.*\n)+", text)
    said = " ".join(line.lstrip("# ").rstrip() for line in head[0].splitlines()) if head else ""
    introduction = said.partition(": ")[2] or said
    file = text[head.end() :] if head else text
    return page(
        _NAMES.get(path.stem, path.stem),
        introduction[:1].upper() + introduction[1:],
        "Copy this facility file (`deploy/examples/devices/" + path.name + "`), change the ids and"
        " topics to yours, and apply it with `tonne apply`:",
        f"```yaml\n{file.rstrip()}\n```",
    )


def _without_editor_line(text: str) -> str:
    first, _, rest = text.partition("\n")
    return rest if first.startswith("# yaml-language-server:") else text
