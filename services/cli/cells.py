"""``tonne cells``: databases that facilities live in, and facilities moved between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer

from services.cli import process
from services.cli.errors import clear_errors
from services.cli.listing import AsJson, show
from services.cli.progress import progress
from services.cli.say import amount, say
from services.cli.verify import verified
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.credentials import without_credentials
from services.core.store.cells import arrival, departure, directory, identity, organisations
from services.core.store.cells import move as moving
from services.core.store.cells.departure import Departure
from services.core.store.cells.errors import CellError, UnequalError
from services.core.store.cells.identity import known_slugs
from services.core.store.cells.late_messages import REASONS, hand_over, waiting
from services.core.store.cells.move import Move, Moved, Side
from services.core.store.cells.naming import away, named
from services.core.store.database.connect import connect
from services.core.store.database.transactions import session, writing
from services.core.store.emissions.final_hours import sources
from services.core.store.readings import replays
from services.core.store.readings.replays import Selection
from services.core.store.registry.organisations import organisations_with

app = typer.Typer(
    no_args_is_help=True,
    help="List and add cells, and move facilities between them.\n\nA cell is one database with an"
    " ingest, an aggregator and a notifier of its own. TONNE_CELLS names their databases.",
)

_Facility = Annotated[str, typer.Argument(help="facility id")]

_ERRORS = (CellError, UnequalError)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the cells, the facilities in them, and what is moving."""
    rows, silent = [], []
    with clear_errors(*_ERRORS):
        for name, url in _urls().items():
            try:
                with _opened(name, url) as cell, named(name):
                    rows += [*_listed(name, cell)] or [(name, "", "empty", "", None)]
            except CellError as error:
                silent.append(str(error))
    show(("cell", "facility", "state", "other cell", "since"), rows, as_json=as_json)
    for why in silent:
        say(f"tonne: {without_credentials(why)}", err=True)
    if silent:
        raise typer.Exit(1)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="the cell's name in TONNE_CELLS")],
) -> None:
    """Make an empty, migrated database a cell; needs the login of both databases' owner.

    From then on the databases number their rows apart, so that a facility can move. Doing it again
    changes nothing.
    """
    with clear_errors(*_ERRORS), _connected(only=(HOME, name)) as connections:
        cell = identity.add(connections[HOME], connections[name], name)
    say(f"{name} is cell number {cell.number}")


@app.command()
def claim(
    facility: _Facility,
    *,
    cell: Annotated[str, typer.Option("--cell", help="the cell that it is to live in")],
) -> None:
    """Give the id of a new facility to a cell, so that its file can be applied there.

    The API over all cells does it by itself; at home nobody needs it.
    """
    with clear_errors(*_ERRORS), _connected() as connections:
        if cell not in connections:
            raise CellError(f"TONNE_CELLS names no cell {cell}")
        present = identity.whereabouts(connections, facility)
        if present and present != [cell]:
            raise CellError(f"facility {facility} lives in cell {present[0]}")
        directory.claim(connections[HOME], facility, cell, is_nowhere=not present)
        directory.note(connections[cell], facility, cell)
    say(f"the id {facility} is of cell {cell}; apply the file to its database")


@app.command()
def move(
    facility: _Facility,
    *,
    to: Annotated[str, typer.Option("--to", help="the cell that it is to live in")],
) -> None:
    """Move a facility to another cell while it sends; killed at any time, run it again.

    Everything of it is copied, computed again and compared before the facility is switched. Needs
    the login of both databases' owner.
    """
    with clear_errors(*_ERRORS), _connected() as connections:
        if to not in connections:
            raise CellError(f"TONNE_CELLS names no cell {to}")
        old = _moves_from(connections, facility)
        under_way = departure.unfinished(connections[old], facility)
        if old == to and (under_way is None or under_way.left_at is None):
            directory.note(connections[HOME], facility, to)
            # a move that was killed at its very end has handed over what nobody has tried
            _replay(connections[to], to, facility)
            say(f"{facility} lives in cell {to} already; nothing to do")
            return
        _refuse_named(old, facility)
        counted_by = _organisations(HOME, facility)
        with progress(f"moving {facility}", None) as advance:
            moved = moving.move(_move(connections, facility, old, to, copied=advance), _verify)
        directory.note(connections[HOME], facility, to)
        _replay(connections[to], to, facility)
    _tell(facility, old, to, moved)
    if counted_by and to != HOME:
        say(
            f"organisation {counted_by[0]} counts with it: let the aggregator of the home cell have"
            " TONNE_CELLS, too, for its base years"
        )


@app.command("bring-home")
def bring_home(organisation: Annotated[str, typer.Argument(help="organisation id")]) -> None:
    """Bring an organisation that another cell has from before to the home cell, as it is.

    Its versions and base years come along. From then on its facilities may live in any cell. Killed
    at any time, run it again.
    """
    with clear_errors(*_ERRORS), _connected() as connections:
        having = [
            name
            for name, cell in connections.items()
            if name != HOME and organisations.has(cell, organisation)
        ]
        if not having:
            raise CellError(f"no cell but home has an organisation {organisation}")
        versions = organisations.bring_home(
            connections[HOME], connections[having[0]], organisation, by=process.operator()
        )
    say(
        f"organisation {organisation} is the home cell's, with {amount(versions, 'version')}; it"
        f" was cell {having[0]}'s"
    )


@app.command()
def cancel(facility: _Facility) -> None:
    """End the move of a facility that has not left; what was copied of it is deleted."""
    with clear_errors(*_ERRORS), _connected() as connections:
        old = _moves_from(connections, facility)
        under_way = departure.unfinished(connections[old], facility)
        to = old if under_way is None else under_way.to_cell
        gone = moving.cancel(_move(connections, facility, old, to))
        # what was refused while it was frozen
        _replay(connections[old], old, facility)
    say(f"{facility} stays in cell {old}; {amount(gone, 'copied row')} deleted in cell {to}")


@app.command()
def forward(
    facility: Annotated[
        list[str] | None, typer.Argument(help="facility ids; default: all that moved")
    ] = None,
) -> None:
    """Hand over messages that still came to a cell which their facility has left.

    They are replayed in the cell where it lives. Run it by a timer until its devices speak to that
    cell's broker.
    """
    with clear_errors(*_ERRORS), _connected() as connections:
        for old, connection in connections.items():
            for left in _newest_departures(connection, facility):
                present = identity.whereabouts(connections, left.facility)
                if left.left_at is None or len(present) != 1 or present == [old]:
                    continue
                handed = hand_over(connection, connections[present[0]], left)
                _replay(connections[present[0]], present[0], left.facility)
                say(
                    f"{left.facility}: {amount(handed, 'message')} handed over from cell {old} to"
                    f" cell {present[0]}"
                )


def _newest_departures(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[Departure]:
    newest: dict[str, Departure] = {}
    for left in departure.departures(connection):
        if not facilities or left.facility in facilities:
            newest.setdefault(left.facility, left)
    return list(newest.values())


@contextmanager
def _connected(only: Collection[str] | None = None) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """Open a connection to every cell, each seen to be the one that it is taken for.

    ``only``: to these, of which some may be no cells yet.
    """
    urls = _urls()
    for name in only or ():
        if name not in urls:
            raise CellError(f"TONNE_CELLS names no cell {name}")
    with ExitStack() as stack:
        connections = {
            name: stack.enter_context(_opened(name, url, is_cell=only is None))
            for name, url in urls.items()
            if only is None or name in only
        }
        try:
            yield connections
        except psycopg.Error as error:
            lost = next((name for name, cell in connections.items() if cell.closed), None)
            if lost is None:
                raise
            raise away(lost, error) from error


def _urls() -> dict[str, str]:
    urls = cell_urls(process.settings("migrate"))
    if len(urls) == 1:
        raise CellError("TONNE_CELLS names no cell: set it to NAME=postgresql://user@host/database")
    return urls


@contextmanager
def _opened(name: str, url: str, *, is_cell: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection to a cell; ``is_cell``: see that it is the one that it is taken for."""
    with ExitStack() as stack:
        with named(name):
            connection = stack.enter_context(connect(url, process="admin", autocommit=True))
            if is_cell:
                identity.check(name, connection)
        yield connection


def _move(
    connections: Mapping[str, psycopg.Connection[Any]],
    facility: str,
    old: str,
    new: str,
    *,
    copied: Callable[[int], None] = lambda _rows: None,
) -> Move:
    return Move(
        facility=facility,
        old=Side(name=old, connection=connections[old]),
        new=Side(name=new, connection=connections[new]),
        by=process.operator(),
        step=lambda _step: None,
        copied=copied,
    )


def _moves_from(connections: Mapping[str, psycopg.Connection[Any]], facility: str) -> str:
    """Return the cell that a facility is leaving, or else where it lives."""
    for name, connection in connections.items():
        if departure.unfinished(connection, facility) is not None:
            return name
    present = identity.whereabouts(connections, facility)
    if not present:
        raise CellError(f"there is no facility {facility} in any cell")
    if len(present) > 1:
        raise CellError(
            f"facility {facility} is in the cells {' and '.join(present)}, which no move has"
            " brought about: one of them is another facility of the same id; remove it with"
            f" `tonne remove {facility} --purge --cell {present[-1]}`, or of the other one"
        )
    return present[0]


def _refuse_named(cell: str, facility: str) -> None:
    """Refuse to move a facility that an organisation which is not home's counts with."""
    naming = [] if cell == HOME else _organisations(cell, facility)
    if naming:
        raise CellError(
            f"organisation {naming[0]} of cell {cell} counts with facility {facility}, and adds up"
            f" that cell alone: bring it home with `tonne cells bring-home {naming[0]}`"
        )


def _organisations(cell: str, facility: str) -> list[str]:
    """Return the organisations of a cell that count with a facility."""
    with session(cell_urls(process.settings("migrate"))[cell], process="admin") as connection:
        return organisations_with(connection, facility, datetime.now(UTC).date())


def _verify(connection: psycopg.Connection[Any], facility: str) -> int:
    """Compute a facility's hours again, as `tonne verify` does."""
    if not sources(connection, [facility]):
        return 0
    result = verified(connection, [facility])
    differences = [d for d in result.listed if d.facility == facility]
    if differences:
        raise CellError(
            f"{amount(len(differences), 'difference')} in {facility}, such as"
            f" {differences[0].source} {differences[0].detail or differences[0].kind}: it lives"
            f" where it did; look at `tonne verify --facility {facility}` there"
        )
    return result.checked


def _replay(connection: psycopg.Connection[Any], cell: str, facility: str) -> None:
    """Ask ingest of a cell to try what waits of a facility, if anything does."""
    if not waiting(connection, facility):
        return
    with writing(cell_urls(process.settings("migrate"))[cell], process="admin") as asking:
        replays.submit(
            asking,
            Selection(
                facilities=(facility,),
                reasons=REASONS,
            ),
            accept=False,
            by=process.operator(),
            note="the facility moved to another cell",
        )


def _tell(facility: str, old: str, to: str, moved: Moved) -> None:
    say(f"{facility} lives in cell {to}")
    say(f"rows that are the same in both cells: {moved.rows}")
    say(f"hours computed again beforehand, none of which differs: {moved.verified_hours}")
    say(f"messages that came late and are tried there: {moved.late}")
    say(f"rows deleted in cell {old}: {moved.cleared}")
    say(
        "let its devices speak to that cell's broker; until they do, run"
        f" `tonne cells forward {facility}`"
    )


def _listed(
    name: str, connection: psycopg.Connection[Any]
) -> Iterator[tuple[str, str, str, str, datetime | None]]:
    leaving = {d.facility: d for d in _newest_departures(connection, None)}
    for slug in known_slugs(connection):
        left = leaving.get(slug)
        if left is not None and left.finished_at is None:
            yield name, slug, "moving", left.to_cell, left.begun_at
        else:
            yield name, slug, "living", "", None
    for left in leaving.values():
        if left.left_at is not None and left.finished_at is None:
            yield name, left.facility, "left", left.to_cell, left.left_at
    coming = arrival.awaited(connection)
    if coming is not None:
        yield name, coming.facility, "arriving", coming.from_cell, coming.begun_at
