"""Collect the texts that answers are made of: what the code of tonne finds wrong, or tells of.

Whoever writes such a text writes English, where the mistake is noticed, with values in an f-string.
Here it is read from the source as a key of the catalogues, its values as ``{name}``; values that
follow each other at once are one, for nothing tells where the second begins.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from services.api.http.problems import Problem
from services.api.languages.sentences import PLACE

#: A text, or the texts for one and for many; here none is counted.
Key = str | tuple[str, str]

#: Calls whose texts no page shows: descriptions of keys, log events, faults of the code itself.
_SILENT: Final = frozenset(
    {"Field", "Column", "TypeError", "KeyError", "AssertionError", "compile", "bindparam", "text"}
    | {"debug", "info", "warning", "error", "exception", "Header", "FromQuery", "Literal", "get"}
    | {"documented", "put", "post", "delete", "TypeAdapter", "removeprefix", "TypeVar", "_coded"}
)
#: Statements of the database.
_SQL: Final = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH) |[\w.]+ = (?:ANY\(|:\w+$|%)|id, name, "
)
_WORD: Final = re.compile(r"(?<![\w{])[A-Za-z]{2,}(?![\w}])")
#: What a row is refused with, beside errors.
_REFUSALS: Final = frozenset({"Misshapen", "Refusal"})
#: What reads like a text and is none: names of Sparkplug, commands, a header, a pattern.
_NAME: Final = re.compile(
    r"(?:Device|Node) (?:Control|Info)/|Engineering Units$|tonne \w+$|Bearer |\\s|channel: device"
    r"|\d+ CFR \d|Regulation \(EU\)"
)
#: Texts of one word, which are looked for nowhere else.
_SHORT: Final = ("line {line}: {message}", "required", "Conflict")
_ADJACENT: Final = re.compile(r"(\{\w+\})(?:\{\w+\})+")


class _Place(NamedTuple):
    """A file or folder below the package of services."""

    path: str
    #: only arguments of errors and problems, not every text that is written there
    raised: bool = False
    #: only those of this constant, where texts are made by the database
    constant: str | None = None

    def texts(self, code: str) -> Iterator[str]:
        """Find the texts of a module."""
        nodes = list(ast.walk(ast.parse(code)))
        if self.constant is not None:
            for node in nodes:
                if isinstance(node, ast.AnnAssign) and _name(node.target) == self.constant:
                    yield from ast.literal_eval(node.value or "")
            return
        for node in [n for n in nodes if _refuses(n)] if self.raised else nodes[:1]:
            yield from _texts(node)


#: Where texts are written that people meet on a page, below the package of services.
_PLACES: Final = (
    _Place("core/facility"),
    _Place("core/accounting/spelling.py"),
    *(
        _Place(f"core/accounting/{name}", raised=True)
        for name in (
            "derived",
            "factors.py",
            "fuel_amounts.py",
            "fuel_equations.py",
            "gas.py",
            "hourly_factors.py",
            "pathway/paths.py",
            "pollutants/standardisation.py",
            "scopes.py",
            "stack",
            "units.py",
        )
    ),
    *(
        _Place(f"core/accounting/{name}.py")
        for name in (
            "registers",
            "stack/audits",
            "stack/closing",
            "stack/qa",
            "stack/recording",
            "stack/substitution",
            "stack/validity",
        )
    ),
    _Place("core/accounting/activity_pieces.py", raised=True),
    _Place("core/accounting/hj212", raised=True),
    _Place("core/timeline", raised=True),
    _Place("core/store/answers/chart_annotations.py", constant="TEXTS"),
    *(
        _Place(f"core/store/{name}", raised=True)
        for name in (
            "registry",
            "people",
            "operations",
            "alerts",
            "candidates",
            "answers",
            "factor_series",
            "readings/activities.py",
            "readings/activity_withdrawals.py",
            "readings/amendments.py",
        )
    ),
    _Place("core/accounting/factor_calendar.py"),
    _Place("core/runtime/steady_time.py"),
    _Place("core/store/database/schema_version.py"),
    _Place("core/store/database/unreadable_chunks.py"),
    *(
        _Place(f"core/store/operations/{name}.py")
        for name in (
            "audits_due",
            "calibration_ranges",
            "heard_topics",
            "notices",
            "readiness",
            "standing",
            "unstated_intervals",
        )
    ),
    *(
        _Place(f"aggregator/{name}.py")
        for name in (
            "base_years",
            "packing",
            "published_values",
            "retention",
            "setbacks",
            "summing",
        )
    ),
    _Place("notify/homeassistant/announcer.py"),
    _Place("notify/suspended_recipients.py"),
    *(
        _Place(f"ingest/{name}")
        for name in (
            "bodies",
            "check.py",
            "connections/modbus.py",
            "connections/p1.py",
            "corrections.py",
            "decode",
            "entry.py",
            "errands.py",
            "pipeline.py",
            "prepare.py",
            "quarantine/reasons.py",
            "quarantine/replay.py",
            "refusals.py",
            "resolve.py",
            "route.py",
            "shared_topics.py",
            "sources/damage.py",
            "sources/http/listener.py",
            "sources/mqtt/session_watch.py",
            "sources/mqtt/subscriptions.py",
            "sources/probe.py",
            "sparkplug",
            "stated_bounds.py",
            "station_keys.py",
            "uploads",
            "write.py",
        )
    ),
    *(_Place(f"ingest/{name}", raised=True) for name in ("amend.py", "files")),
    _Place("core/accounting/emission_report/period.py", raised=True),
    _Place("api/admission", raised=True),
    _Place("api/auth.py"),
    _Place("api/routes/ask_ingest.py"),
    _Place("api/http", raised=True),
    _Place("api/http/problems.py"),
    _Place("api/http/validation.py"),
    _Place("api/live", raised=True),
    _Place("api/routes", raised=True),
    *(
        _Place(f"api/routes/{name}.py")
        for name in ("forecast", "pathway_groups", "pathway_weather")
    ),
    _Place("api/routes/operation.py"),
)
#: A module says so itself whose texts are told in English alone, and why.
ENGLISH_ALONE: Final = re.compile(r"^# Texts here stay English: (.+)$", re.MULTILINE)


def modules() -> Iterator[tuple[Path, str, _Place]]:
    """Yield each module of the places, with its code, once for each place that it is in."""
    package = Path(str(files("services")))
    for place in _PLACES:
        path = package / place.path
        for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield module, module.read_text(encoding="utf-8"), place


def own_texts() -> set[Key]:
    """Find the texts, as keys of the catalogues; those that differ by names of places are one."""
    keys = {PLACE.sub("{}", key): key for key in _SHORT}
    for _, code, place in modules():
        if ENGLISH_ALONE.search(code) is None:
            for key in place.texts(code):
                keys.setdefault(PLACE.sub("{}", key), key)
    return set(keys.values())


@cache
def _problems() -> frozenset[str]:
    """Return what classes of problems of the API are called."""
    problems: list[type[Problem]] = [Problem]
    for problem in problems:
        problems += problem.__subclasses__()
    return frozenset(problem.__name__ for problem in problems)


def _refuses(node: ast.AST) -> bool:
    """Whether a node is a call of what is raised."""
    if not isinstance(node, ast.Call):
        return False
    name = _name(node.func)
    return name.endswith("Error") or name in _REFUSALS or name in _problems()


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and _name(node.func) in _SILENT:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Constant | ast.JoinedStr):
        key = _key(node)
        if (
            " " in key.strip()
            and len(_WORD.findall(key)) > 1
            and not _NAME.match(key)
            and not _SQL.match(key)
        ):
            yield key
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from _texts(child)


def _key(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    parts: list[str] = []
    names: list[str] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            name = _name(part.value) or "value"
            names.append(name)
            number = names.count(name)
            parts.append(f"{{{name}{number if number > 1 else ''}}}")
    return _ADJACENT.sub(r"\1", "".join(parts))


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript | ast.Call):
        return _name(node.value if isinstance(node, ast.Subscript) else node.func)
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
