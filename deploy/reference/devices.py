"""Pages for devices whose payload cannot be changed: a section for each family that tonne has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy.reference.markdown import code, page, table
from services.core.facility.families.catalogue import (
    GROUPS,
    NUMBERS,
    DocumentedMessage,
    Family,
    families,
)
from services.core.facility.file import parse

_READ = (
    "Each facility file is whole: `tonne devices examples NAME` prints it. Change ids and topics"
    " to yours, try it with a message of your own (`tonne map try FILE PAYLOAD`), and apply it with"
    " `tonne apply`. The readings below each message are what tonne makes of it; a test holds them."
)


def pages_of_devices() -> dict[str, str]:
    """Return the index of all families, and a page for each group, by file name."""
    known = families()
    return {
        "index.md": _index(known),
        **{
            f"{group}.md": _group(title, [family for family in known if family.group == group])
            for group, title in GROUPS.items()
        },
    }


def _index(known: list[Family]) -> str:
    return page(
        "Devices that tonne knows",
        "A device whose payload cannot be changed has a `topic` and a `format` in its facility"
        " file, and each channel says `from` where in the payload its value stands. Here is a whole"
        " file for each of these families, tested with the messages that their makers document:"
        " `tonne devices examples` lists them, `tonne devices examples NAME > facility.yaml` is"
        " where to begin. A device that is heard at the broker, tonne [discovers](discover.md)"
        " without a file.",
        table(
            ("family", "name", "reads", "numbers", "kind"),
            (
                (
                    _link(family),
                    code(family.name),
                    ", ".join(_quantities(family)),
                    ", ".join(_numbers(family)),
                    GROUPS[family.group],
                )
                for family in sorted(known, key=lambda family: family.title.casefold())
            ),
        ),
        "The numbers of its messages are those of the maker's documentation, those that a device"
        " sent as somebody quotes it, or examples: then topics, names and units are documented, and"
        " numbers are not.",
        "## By another name",
        table(("device", "is read by"), _other_names(known)),
        "A device that is not here: [recipes](recipes.md) have a key for each way in which a value"
        " may be written, [what holds for a mapping](mapping.md) tells of times, lists and missing"
        " keys, and every key is in the"
        " [facility file's reference](../../reference/facility-file.md). How a family is added is"
        " [here](../../contribute/families.md).",
    )


def _link(family: Family) -> str:
    return f"[{family.title}]({family.group}.md#{_anchor(family.title)})"


def _numbers(family: Family) -> list[str]:
    listed = {message.numbers for message in family.messages()}
    return [words for word, words in NUMBERS.items() if word in listed]


def _other_names(known: list[Family]) -> Iterator[tuple[str, str]]:
    links: dict[str, list[str]] = {}
    for family in known:
        for name in family.also:
            links.setdefault(name, []).append(_link(family))
    for name in sorted(links, key=str.casefold):
        yield name, ", ".join(links[name])


def _group(title: str, members: list[Family]) -> str:
    return page(title, _READ, *(_section(family) for family in members))


def _section(family: Family) -> str:
    return "\n\n".join(
        [
            f"## {family.title}",
            family.introduction[:1].upper() + family.introduction[1:],
            f"`tonne devices examples {family.name}` prints:",
            f"```yaml\n{family.file.rstrip()}\n```",
            *(_message(message) for message in family.messages()),
        ]
    )


def _message(message: DocumentedMessage) -> str:
    payload = message.payload.rstrip("\n")
    language = "json" if payload.startswith(("{", "[")) else "text"
    parts = [
        f"At `{message.topic}`, as in {message.source} ({message.licence}):",
        f"<!-- example: a message at {message.topic} -->\n```{language}\n{payload}\n```",
        table(("channel", "value", "time"), (_reading(line) for line in message.readings)),
    ]
    return "\n\n".join(parts)


def _reading(line: str) -> tuple[str, str, str]:
    channel, rest = line.split(" ", 1)
    value, time = rest.rsplit(" ", 1)
    return code(channel) or "", value, time


def _quantities(family: Family) -> list[str]:
    listed = (
        channel.quantity.replace("_", " ")
        for device in parse(family.text).devices
        for channel in device.channels
    )
    return list(dict.fromkeys(listed))


def _anchor(title: str) -> str:
    """Return the anchor of a heading, as the site makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())
