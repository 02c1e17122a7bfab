"""What pydantic finds wrong with what somebody wrote, in one plain sentence for each mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.core.accounting.spelling import did_you_mean, nearest
from services.core.facility import places
from services.core.facility.fields import CHANNEL_NAME, ROLE, SLUG
from services.core.facility.headings import keys, parts, reference
from services.core.facility.places import Place
from services.core.facility.written import flow

#: A wrong text is shown up to here; a mistake may be megabytes long.
_SHOWN: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake."""

    place: Place
    #: what is wrong and what to write, without the place
    mistake: str

    def __str__(self) -> str:
        return f"{self.place.words}: {self.mistake}" if self.place.words else self.mistake


#: So many mistakes are told at once: nobody reads more, and each takes a look at the document.
MAX_FINDINGS: Final = 200

#: What a value is that may be a text or a list of them, and is tried as both.
_OTHER_KINDS: Final = frozenset({"string_type", "tuple_type"})


def findings(error: ValidationError, document: Any, model: type[BaseModel]) -> list[Finding]:
    """Every mistake once, of the first :data:`MAX_FINDINGS`.

    What only follows from another one is left out.

    ``document`` is what was validated as ``model``, as plain or as YAML's containers.
    """
    errors = error.errors(include_url=False)[:MAX_FINDINGS]
    unknown = {e["loc"]: _keys(model, e["loc"][:-1]) for e in errors if _is(e, "extra_forbidden")}
    misspelt = {(*loc[:-1], nearest(str(loc[-1]), known)) for loc, known in unknown.items() if loc}
    by_place: dict[str, Finding] = {}
    for detail in errors:
        place = places.find(document, detail["loc"], missing=_is(detail, "missing"))
        if _is(detail, "missing") and detail["loc"] in misspelt:
            continue
        if _is(detail, "too_short") and _is_of_entries(detail["loc"], errors):
            # what is wrong with entries is told of each, and only then are there too few
            continue
        if detail["type"] in _OTHER_KINDS and _was_meant_otherwise(detail["loc"], errors):
            continue
        if detail["loc"] in unknown:
            mistake = _unknown(str(detail["loc"][-1]), unknown[detail["loc"]])
        elif _is(detail, "missing") and detail["loc"] and isinstance(detail["loc"][-1], str):
            mistake = _missing(detail["loc"][-1], _parts(model, detail["loc"][:-1]))
        elif _is(detail, "union_tag_not_found"):
            mistake = _no_tag(detail, _parts(model, detail["loc"]))
        else:
            mistake = sentence(detail)
        made = Finding(place=place, mistake=mistake)
        by_place.setdefault(f"{place.path} {mistake}", made)
    return list(by_place.values())


def first(error: ValidationError, document: Any, model: type[BaseModel]) -> str:
    """Say the first mistake in one sentence."""
    return str(findings(error, document, model)[0])


def _is(error: ErrorDetails, kind: str) -> bool:
    return bool(error["type"] == kind)


def _is_of_entries(loc: tuple[int | str, ...], errors: Sequence[ErrorDetails]) -> bool:
    """Whether entries of a list are wrong themselves."""
    return any(len(e["loc"]) > len(loc) and e["loc"][: len(loc)] == loc for e in errors)


def _was_meant_otherwise(loc: tuple[int | str, ...], errors: Sequence[ErrorDetails]) -> bool:
    """Whether another way to write this, of those that Pydantic names here, is what is wrong."""
    depth = len(loc) - 1
    return "[" in str(loc[depth:]) and any(
        e["loc"][:depth] == loc[:depth] and e["loc"][depth : depth + 1] != loc[depth:]
        for e in errors
        if e["type"] not in _OTHER_KINDS
    )


def _unknown(key: str, known: Sequence[str]) -> str:
    if key.isascii() and key.isdigit():
        # YAML reads {co2_kg: 0,2} as co2_kg: 0 and a key 2
        return f"a number is written with a point, not with a comma: 0.{key[:9]}, not 0,{key[:9]}"
    meant = did_you_mean(key, known) or f"; known are {', '.join(known)}"
    return f"this key is not known here{meant}"


def _missing(key: str, candidates: Sequence[type[BaseModel]]) -> str:
    """Say that a key is missing, with an example and where it is described."""
    for part in candidates:
        stated = dict(keys(part)).get(key)
        if stated is not None:
            examples = [f"{key}: {flow(example)}" for example in stated.examples or ()]
            return _what_to_write(examples[:1], part)
    return "this key is missing"


def _what_to_write(examples: Sequence[str], part: type[BaseModel]) -> str:
    sentence = "this key is missing"
    if examples:
        sentence += f": add it, for example {' or '.join(examples)}"
    address = reference(part)
    return sentence if address is None else f"{sentence} (reference: {address})"


def sentence(error: ErrorDetails) -> str:
    """Say what pydantic found wrong with one value."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing" and error["loc"] and isinstance(error["loc"][-1], int):
        return f"this list is too short: it has {error['loc'][-1]} entries"
    words = _WORDS.get(kind)
    if words is not None:
        return words(error["input"], context)
    if kind.endswith(("_type", "_parsing")) and kind.split("_")[0] in _WANTED:
        return f"{_shown(error['input'])} is not {_WANTED[kind.split('_')[0]]}"
    return str(error["msg"]).removeprefix("Value error, ")


def _of_pattern(given: Any, context: Mapping[str, Any]) -> str:
    pattern = context["pattern"]
    if pattern == SLUG:
        return (
            f"{_shown(given)} is not an id: small letters, digits and hyphens, at most 63,"
            f" starting with a letter or digit{_as_id(str(given))}"
        )
    return f"{_shown(given)} is not {_PATTERNS.get(pattern, 'one line of text')}"


def _as_id(text: str) -> str:
    """Return the end of a sentence with ``text`` as an id, empty where it cannot be told."""
    written = re.sub(r"[ _.]+", "-", text.strip().lower())
    return f", such as {written}" if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", written) else ""


def _choice(given: Any, choices: Sequence[str]) -> str:
    listed = ", ".join(choices)
    return f"{_shown(given)} is not one of {listed}{did_you_mean(str(given), choices)}"


def _of_literal(given: Any, context: Mapping[str, Any]) -> str:
    listed = str(context["expected"]).replace(" or ", ", ").split(", ")
    # as a file writes them
    words = {"True": "true", "False": "false"}
    choices = [words.get(choice, choice.strip("'")) for choice in listed]
    return _choice(given, choices)


def _of_tag(given: Any, context: Mapping[str, Any]) -> str:
    key = str(context["discriminator"]).strip("'")
    tag = given.get(key) if isinstance(given, Mapping) else None
    choices = [choice.strip("'") for choice in str(context.get("expected_tags", "")).split(", ")]
    return f"{key}: {_choice(tag, choices)}"


def _no_tag(error: ErrorDetails, candidates: Sequence[type[BaseModel]]) -> str:
    key = str(error["ctx"]["discriminator"]).strip("'")
    given = error["input"]
    written = nearest(key, map(str, given)) if isinstance(given, Mapping) else None
    if written is not None:
        return f"{written}: this key is not known here; did you mean {key}?"
    tags = [get_args(part.model_fields[key].annotation)[0] for part in candidates]
    return f"{key}: {_what_to_write([f'{key}: {tag}' for tag in tags], candidates[0])}"


#: By the first word of pydantic's kind of error, what was wanted.
_WANTED: Final = {
    "string": 'a text: put it in quotes, as in "123"',
    "int": "a whole number",
    "float": "a number: write it with a point and without a unit, as in 39.5",
    "bool": "true or false",
    "date": "a day such as 2026-11-22",
    "datetime": "a time with its offset, such as 2026-11-22T18:00:00Z",
    "tuple": "a list: [...] or lines that begin with -",
    "list": "a list: [...] or lines that begin with -",
    "dict": "a group of keys, such as {id: ...}",
    "model": "a group of keys, such as {id: ...}",
}

#: What a text of a pattern is called.
_PATTERNS: Final = {
    ROLE: "the name of an input: small letters, digits and underscores, such as heat_input",
    CHANNEL_NAME: "a channel: write its id, or device.channel, in small letters",
}

_WORDS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], str]]] = {
    "missing": lambda _given, _context: "this key is missing",
    "string_pattern_mismatch": _of_pattern,
    "literal_error": _of_literal,
    "enum": _of_literal,
    "union_tag_invalid": _of_tag,
    "finite_number": lambda given, _context: f"{_shown(given)} is not a finite number",
    "int_from_float": lambda given, _context: f"{_shown(given)} is not a whole number",
    "int_parsing_size": lambda _given, _context: "this whole number is too large",
    "timezone_aware": lambda given, _context: f"{_shown(given)} is not {_WANTED['datetime']}",
    "datetime_from_date_parsing": lambda given, _context: (
        f"{_shown(given)} is not {_WANTED['datetime']}"
    ),
    "date_from_datetime_parsing": lambda given, _context: (
        f"{_shown(given)} is not {_WANTED['date']}"
    ),
    "date_from_datetime_inexact": lambda given, _context: (
        f"{_shown(given)} is not {_WANTED['date']}"
    ),
    "greater_than": lambda given, context: f"{_shown(given)} is not more than {context['gt']:g}",
    "greater_than_equal": lambda given, context: f"{_shown(given)} is less than {context['ge']:g}",
    "less_than_equal": lambda given, context: f"{_shown(given)} is more than {context['le']:g}",
    "string_too_short": lambda _given, _context: "this text is empty",
    "string_too_long": lambda given, context: (
        f"this text is longer than {context['max_length']} characters: {_shown(given)}"
    ),
    "too_short": lambda _given, context: (
        f"this list needs at least {context['min_length']} entries"
        if context["min_length"] > 1
        else "this list needs at least one entry"
    ),
    "too_long": lambda _given, context: (
        f"this list has {context['actual_length']} entries, and takes {context['max_length']}"
    ),
}


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    text = "a group of keys" if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys at ``path``: of every kind of it, or of the kind that it names."""
    return sorted({key for part in _parts(model, path) for key, _ in keys(part)})


def _parts(model: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return what may stand at ``path``: every kind of it, or the kind that it names."""
    models = [model]
    for step in path:
        if isinstance(step, int):
            continue
        deeper = [m for parent in models for m in _field(parent, step)]
        of_kind = [parent for parent in models if step in _kinds(parent)]
        models = deeper or of_kind or models
    return models


def _field(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    for name, stated in model.model_fields.items():
        if key == (stated.alias or name):
            return list(parts(stated.annotation))
    return []


def _kinds(model: type[BaseModel]) -> set[str]:
    """Return what pydantic calls the model in an error's path: the value of its only literal."""
    kinds = {model.__name__}
    for stated in model.model_fields.values():
        values = get_args(stated.annotation)
        if len(values) == 1 and isinstance(values[0], str):
            kinds.add(values[0])
    return kinds
