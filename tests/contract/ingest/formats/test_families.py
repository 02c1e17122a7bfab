"""Every device family: its file makes of the messages that its makers document what it should."""

from __future__ import annotations

from functools import cache

import pytest

from services.core.facility import model
from services.core.facility.families.catalogue import (
    GROUPS,
    NUMBERS,
    DocumentedMessage,
    Family,
    families,
    family_called,
)
from services.core.facility.file import parse
from services.core.store.registry import unapplied
from services.core.timeline.instants import rfc3339
from services.ingest import trial
from services.ingest.route import Kind
from services.ingest.sources.source import Message
from services.ingest.sources.subscriptions import filters
from services.ingest.trial import Refused, Taken
from tests.contract.ingest.formats.station import ARRIVAL, BOUNDS, directory
from tests.examples import ROOT

FAMILIES = families()

#: A rise without a bound is believed, whatever a meter sends.
_BOUNDED = {"counter"}
#: What a quantity may be: an amount is no gauge, and a flow no register.
_AMOUNTS = {"energy", "volume", "mass", "count"}

of_each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def covers(topic_filter: str, topic: str) -> bool:
    levels, wanted = topic_filter.split("/"), topic.split("/")
    if levels[-1] == "#":
        return wanted[: len(levels) - 1] == levels[:-1]
    return len(levels) == len(wanted) and all(
        f in {"+", w} for f, w in zip(levels, wanted, strict=True)
    )


@cache
def file_of(family: Family) -> model.FacilityFile:
    return parse(family.text)


def written(taken: Taken) -> str:
    value = "no value" if taken.value is None else f"{taken.value:.15g} {taken.channel.unit}"
    time = rfc3339(taken.ts) if taken.is_timed else "arrival"
    return f"{taken.channel.device}.{taken.channel.slug} {value} {time}"


def of_message(file: model.FacilityFile, message: DocumentedMessage) -> list[trial.Verdict]:
    """What ingest would make of a message."""
    return trial.verdicts(
        unapplied.devices(file),
        Message(
            topic=message.topic, payload=message.payload.encode(), received_at=ARRIVAL, token=None
        ),
        BOUNDS,
    )


def test_there_are_families_in_every_group_and_their_names_differ() -> None:
    assert {family.group for family in FAMILIES} == set(GROUPS)
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    titles = [family.title for family in FAMILIES]
    assert len(set(titles)) == len(titles)


def test_what_people_look_for_is_no_family_of_its_own() -> None:
    titles = {family.title.casefold() for family in FAMILIES}
    for family in FAMILIES:
        assert len(set(family.also)) == len(family.also)
        assert titles.isdisjoint(name.casefold() for name in family.also)


@of_each_family
def test_its_messages_give_their_readings_and_nothing_is_refused(family: Family) -> None:
    file = file_of(family)
    read_from: set[str] = set()
    for message in family.messages():
        verdicts = of_message(file, message)
        assert [verdict for verdict in verdicts if isinstance(verdict, Refused)] == []
        taken = [verdict for verdict in verdicts if isinstance(verdict, Taken)]
        assert [written(verdict) for verdict in taken] == list(message.readings)
        read_from |= {f"{verdict.channel.device}.{verdict.channel.slug}" for verdict in taken}
    channels = {
        f"{device.id}.{channel.id}"
        for device in file.devices
        for channel in device.channels
        if channel.kind != "derived"
    }
    assert read_from == channels, "each channel has a message that it is read from"


@of_each_family
def test_it_says_where_its_messages_are_documented_and_by_which_licence(family: Family) -> None:
    assert family.title
    assert family.introduction.endswith("."), "a comment at the top: its title, a colon, sentences"
    for message in family.messages():
        assert message.source
        assert message.licence
        assert message.numbers in NUMBERS, "where its numbers are from"
        assert len(message.payload) < 4000, "the part of a message that matters is enough"


@of_each_family
def test_each_of_its_topics_is_heard(family: Family) -> None:
    file = file_of(family)
    known = directory(file)
    subscribed = filters(known.own_topics, max_units=6)
    for message in family.messages():
        assert any(covers(heard, message.topic) for heard in subscribed), message.topic
        destination = known.destination(message.topic)
        assert destination.kind is Kind.READINGS
        assert destination.concerns(file.facility.id)


@of_each_family
def test_amounts_are_registers_with_a_bound_and_flows_are_gauges(family: Family) -> None:
    for device in file_of(family).devices:
        for channel in device.channels:
            name = f"{device.id}.{channel.id}"
            if channel.kind == "derived":
                continue
            assert (channel.kind == "gauge") == (channel.quantity not in _AMOUNTS), name
            if channel.kind in _BOUNDED:
                assert channel.max_rate is not None, f"{name}: say how fast it can rise"


@of_each_family
def test_nothing_counts_twice(family: Family) -> None:
    file = file_of(family)
    assert file.sources, "a file that counts nothing shows nothing"
    # of a derived channel, those that it is computed from
    inputs = [name for source in file.sources for name in source.channels.values()]
    assert len(inputs) == len(set(inputs))
    quantity = {
        f"{device.id}.{channel.id}": channel.quantity
        for device in file.devices
        for channel in device.channels
    }
    powers = {name.partition(".")[0] for name in inputs if quantity[name] == "power"}
    energies = {name.partition(".")[0] for name in inputs if quantity[name] == "energy"}
    assert not powers & energies, "the energy of a device, or its power"


def test_all_of_them_can_be_applied_together() -> None:
    files = [file_of(family) for family in FAMILIES]
    assert len({file.facility.id for file in files}) == len(files)
    known = directory(*files)
    topics = {message.topic for family in FAMILIES for message in family.messages()}
    assert {known.destination(topic).reason for topic in topics} == {None}


def test_a_reading_is_written_as_the_page_shows_it() -> None:
    family = family_called("tasmota")
    (message, *_) = family.messages()
    taken = [v for v in of_message(file_of(family), message) if isinstance(v, Taken)]
    assert [written(verdict) for verdict in taken] == [
        "pow1.energy 9098.245 kWh 2021-10-26T16:28:45Z",
        "pow1.power 170 W 2021-10-26T16:28:45Z",
    ]
    assert "| `pow1.energy` | 9098.245 kWh | 2021-10-26T16:28:45Z |" in (
        ROOT / "deploy" / "docs" / "howto" / "devices" / "plugs.md"
    ).read_text(encoding="utf-8")
