"""How readings of facilities of several cells go to the ingest of each, and one answer comes back.

Which facilities a body names, an ingest says that reads it and stores nothing: the API does not
look at bodies. Each of theirs then has the whole body, and takes what is its own. What is of no
facility that anybody knows, the cell of the call takes, so that each record has one verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from services.api.cells.all_cells import AllCells
from services.api.context import Context
from services.api.http.problems import IngestAway, NotConfirmed
from services.api.routes.ask_ingest import NOTHING, Asking, ask
from services.core.runtime.reading_door import Answer, Head, Question, Verdicts

#: Refusals that an answer lists; the others are counted.
_MAX_LISTED: Final = 1000
#: Facilities that a refusal names.
_MAX_NAMED: Final = 20
#: Ingest takes nothing at present, and another one may.
_FOR_NOW: Final = frozenset({"busy", "unable"})


def asking_of(cells: AllCells | None) -> Asking:
    """Return how readings are handed on: to the one ingest that there is, or to those of cells."""
    return ask if cells is None else partial(_ask_cells, cells)


async def _ask_cells(
    cells: AllCells, context: Context, question: Head, body: Sequence[bytes]
) -> Answer:
    """Hand a body to the ingest of each cell that it has readings of.

    :raises IngestAway: none of them takes anything at present; nothing was stored.
    :raises NotConfirmed: one of them took nothing, or did not answer: not all was stored, or
        whether it was is not known.
    :raises CellAway: a cell does not answer, and may have a facility that is named.
    :raises FacilityMoving: a facility that is named is in no cell for too long.
    """
    assert isinstance(question, Question)  # noqa: S101 - of readings alone
    called = next(name for name, of_cell in cells.contexts.items() if of_cell is context)
    names = await _names(cells, called, question, body)
    if names.named is None:
        return names
    by_cell = await _by_cell(cells, called, question, names.named)
    if len(by_cell) == 1:
        (cell,) = by_cell
        return await ask(cells.contexts[cell], question, body)
    elsewhere = [slug for cell, slugs in by_cell.items() if cell != called for slug in slugs]
    answers = await asyncio.gather(
        *(
            ask(
                cells.contexts[cell],
                msgspec.structs.replace(question, elsewhere=elsewhere)
                if cell == called
                else msgspec.structs.replace(question, only=slugs),
                body,
            )
            for cell, slugs in by_cell.items()
        ),
        return_exceptions=True,
    )
    return _together(by_cell, dict(zip(by_cell, answers, strict=True)))


async def _names(cells: AllCells, called: str, question: Question, body: Sequence[bytes]) -> Answer:
    """Ask which facilities a body names: an ingest that takes it at present, its own cell's first.

    :raises IngestAway: none does.
    """
    asked, refusal = msgspec.structs.replace(question, names_only=True), None
    for name in sorted(cells.contexts, key=lambda name: name != called):
        try:
            answer = await ask(cells.contexts[name], asked, body)
        except (IngestAway, NotConfirmed) as error:
            refusal = refusal or error
            continue
        if answer.outcome not in _FOR_NOW:
            return answer
    raise IngestAway(NOTHING) from refusal


async def _by_cell(
    cells: AllCells, called: str, question: Question, named: Sequence[str]
) -> Mapping[str, list[str]]:
    """Return the facilities by cell; the call's own cell has those that nobody has, too."""
    allowed = None if question.facilities is None else frozenset(question.facilities)
    # what the sender does not see is not there, wherever it is
    visible = [slug for slug in named if slug and (allowed is None or slug in allowed)]
    homes = await cells.homes(visible)
    by_cell: dict[str, list[str]] = {}
    for slug in named:
        by_cell.setdefault(homes.get(slug, called), []).append(slug)
    return by_cell or {called: []}


def _together(
    by_cell: Mapping[str, Sequence[str]], answers: Mapping[str, Answer | BaseException]
) -> Answer:
    """Put verdicts together, or say what was not stored."""
    away = []
    for cell, answer in answers.items():
        if isinstance(answer, IngestAway) or (
            isinstance(answer, Answer) and answer.outcome in _FOR_NOW
        ):
            away += [f"cell {cell} ({', '.join(by_cell[cell][:_MAX_NAMED])})"]
        elif isinstance(answer, BaseException):
            raise answer
        elif answer.verdicts is None:
            fault = answer.detail
            raise NotConfirmed(
                f"Ingest of cell {cell} met a fault: {fault}. What is of other cells may be"
                " stored. Send the same once more: what is stored already counts once."
            )
    if len(away) == len(answers):
        raise IngestAway(NOTHING)
    if away:
        lacking = "; ".join(away)
        raise NotConfirmed(
            f"Ingest takes nothing at present of {lacking}: readings of it were not stored,"
            " those of other cells were. Send the same once more in a few seconds: what is stored"
            " already counts once."
        )
    all_verdicts = [
        answer.verdicts
        for answer in answers.values()
        if isinstance(answer, Answer) and answer.verdicts is not None
    ]
    refusals = sorted(
        (refusal for verdicts in all_verdicts for refusal in verdicts.refusals),
        key=lambda refusal: refusal.index,
    )
    return Answer(
        outcome="taken",
        verdicts=Verdicts(
            new=sum(verdicts.new for verdicts in all_verdicts),
            repeated=sum(verdicts.repeated for verdicts in all_verdicts),
            replaced=sum(verdicts.replaced for verdicts in all_verdicts),
            refused=sum(verdicts.refused for verdicts in all_verdicts),
            refusals=refusals[:_MAX_LISTED],
        ),
    )
