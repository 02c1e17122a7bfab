"""Every example in the documentation: a fenced block, with what is to be done with it.

A comment before the fence says where an example is not what its language is done with by itself:
``<!-- example: not run, WHY -->``, ``<!-- example: an answer -->``,
``<!-- example: a table file -->``, ``<!-- example: a table file of activities -->`` or
``<!-- example: a message at TOPIC -->``.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "sensors-sim" / "README.md",
        *(ROOT / "deploy" / "docs").rglob("*.md"),
    ]
)

_BLOCK = re.compile(
    r"(?:^ *<!-- example: (?P<mark>[^\n]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One block of a page."""

    page: Path
    line: int
    language: str
    text: str
    #: What the comment before it says, empty without one.
    mark: str

    @property
    def name(self) -> str:
        """Page and line, as a test is called."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.mark.startswith("not run, ")

    @property
    def is_table_file(self) -> bool:
        """Whether it is a table file, as ``tonne import --table`` takes it."""
        return self.mark == "a table file"

    @property
    def is_activity_table(self) -> bool:
        """Whether it is one of activities, as ``tonne activities import --table`` takes it."""
        return self.mark == "a table file of activities"

    @property
    def is_facility_file(self) -> bool:
        """Whether it is a whole facility file, as ``tonne apply`` takes it."""
        return (
            self.language == "yaml"
            and not self.is_table_file
            and not self.is_activity_table
            and re.search(r"^facility:", self.text, re.MULTILINE) is not None
        )


@cache
def examples_of(page: Path) -> list[Example]:
    """The examples of a page, from its top down."""
    text = page.read_text(encoding="utf-8")
    return [
        Example(
            page=page,
            line=text[: found.start("indent")].count("\n") + 1,
            language=found["language"],
            text=textwrap.dedent(found["text"]),
            mark=found["mark"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def all_examples(language: str) -> list[Example]:
    """Every example in a language."""
    return [each for page in PAGES for each in examples_of(page) if each.language == language]


_MESSAGE = "a message at "


def message_of(mark: str) -> tuple[str, dict[str, str]] | None:
    """Return the topic of a message, and what MQTT 5 has beside its payload; None: it is none.

    ``a message at TOPIC with NAME=VALUE, NAME=VALUE``.
    """
    if not mark.startswith(_MESSAGE):
        return None
    topic, _, listed = mark.removeprefix(_MESSAGE).partition(" with ")
    return topic, dict(pair.split("=", 1) for pair in filter(None, listed.split(", ")))
