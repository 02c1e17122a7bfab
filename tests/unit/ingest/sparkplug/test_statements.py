"""The numbered statements of Sparkplug 3.0 that bind a host application, one test or more for each.

The ids are those of the specification (``tck-id-`` left out). Statements about what edge nodes send
are here where a host must rely on them, or must survive that they are broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import msgspec
import pytest

from sensors_sim.sparkplug import EdgeNode as Publisher
from sensors_sim.sparkplug import Publication
from sensors_sim.sparkplug_bytes import Metric, payload
from services.ingest.decode import sparkplug
from services.ingest.decode.observation import TIME_FROM_BROKER, UndecodableError
from services.ingest.decode.sparkplug_payload import read
from services.ingest.quarantine.reasons import Reason
from services.ingest.sparkplug import certificate, session
from services.ingest.sparkplug.effects import (
    Arrival,
    AskRebirth,
    Born,
    Effect,
    Forward,
    Online,
    Stale,
)
from services.ingest.sparkplug.rebirth import rebirth
from services.ingest.sparkplug.session import EdgeNode
from services.ingest.sparkplug.topics import Address, Verb, group_filter, parse, state_topic

Test = Callable[[], None]

_TESTS: Final[list[tuple[str, Test]]] = []

T0: Final = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
MS: Final = round(T0.timestamp() * 1000)

CHANNELS: Final = (
    {"id": "power", "from": "Power", "kind": "gauge"},
    {"id": "import", "from": "Energy/Import", "kind": "counter"},
)


def statement(*ids: str) -> Callable[[Test], Test]:
    """Say which statements a test proves."""

    def register(test: Test) -> Test:
        _TESTS.extend((id_, test) for id_ in ids)
        return test

    return register


class Host:
    """Plays messages to the state machine and collects what it does."""

    def __init__(self, node: EdgeNode | None = None, *, aliases: bool = True) -> None:
        self.publisher = Publisher(
            group="Linz",
            edge_node="Gateway",
            metrics={"Uptime": Metric(datatype="UInt32", value=1)},
            devices={
                "Meter": {
                    "Power": Metric(datatype="Double", value=5.0),
                    "Energy/Import": Metric(datatype="UInt64", value=1000),
                }
            },
            uses_aliases=aliases,
        )
        self.now = 100.0
        self.node = node or EdgeNode(group="Linz", edge_node="Gateway", reorder_timeout_s=2.0)
        self.effects: list[Effect] = []

    def hear(self, *publications: Publication) -> list[Effect]:
        """Let messages arrive; return what comes of them."""
        before = len(self.effects)
        for publication in publications:
            address = parse(publication.topic)
            assert address is not None
            arrival = Arrival(
                address=address, payload=publication.payload, received_at=self.received_at
            )
            self.node, effects = session.arrive(self.node, arrival, self.now)
            self.effects += effects
        return self.effects[before:]

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass."""
        self.now += seconds
        self.node, effects = session.tick(self.node, self.now)
        self.effects += effects
        return list(effects)

    @property
    def received_at(self) -> datetime:
        return T0 + timedelta(seconds=self.now - 100.0)

    def born(self) -> Host:
        """Let a connection begin with its births."""
        self.publisher.will(MS)
        self.hear(*self.publisher.births(MS))
        return self

    def power(self, value: float, *, seconds: float = 1.0) -> Publication:
        return self.publisher.data("Meter", {"Power": value}, MS + round(seconds * 1000))


def values(effects: list[Effect], channel: str = "power") -> list[float | None]:
    """What readings come of what was handed on."""
    decode = sparkplug.decoder({}, CHANNELS)
    decoded = [
        decode(effect.payload, MS * 1000)
        for effect in effects
        if isinstance(effect, Forward) and effect.address.verb in {Verb.DDATA, Verb.NDATA}
    ]
    return [o.value for d in decoded for o in d.observations if o.channel == channel]


def kinds(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


SESSION: Final = certificate.Session(host_id="tonne", connected_ms=MS)


# -- the host's own state ------------------------------------------------------------------------


@statement(
    "host-topic-phid-birth-topic",
    "host-topic-phid-death-topic",
    "operational-behavior-host-application-connect-will-topic",
    "operational-behavior-host-application-connect-birth-topic",
    "operational-behavior-host-application-death-topic",
    "payloads-state-will-message",
)
def certificates_are_at_the_hosts_own_topic() -> None:
    for one in (
        certificate.will(SESSION),
        certificate.birth(SESSION),
        certificate.death(SESSION, MS),
    ):
        assert one.topic == "spBv1.0/STATE/tonne"


@statement(
    "host-topic-phid-birth-qos",
    "host-topic-phid-death-qos",
    "operational-behavior-host-application-connect-will-qos",
    "operational-behavior-host-application-connect-birth-qos",
    "operational-behavior-host-application-death-qos",
    "payloads-state-will-message-qos",
)
def certificates_have_quality_of_service_1() -> None:
    assert certificate.QOS == 1


@statement(
    "host-topic-phid-birth-payload",
    "operational-behavior-host-application-connect-birth-payload",
    "message-flow-phid-sparkplug-state-publish-payload",
    "payloads-state-birth-payload",
)
def a_birth_says_online_and_a_time_as_json() -> None:
    told = msgspec.json.decode(certificate.birth(SESSION).payload)
    assert told == {"online": True, "timestamp": MS}


@statement(
    "host-topic-phid-death-payload",
    "host-topic-phid-death-payload-timestamp-connect",
    "operational-behavior-host-application-connect-will-payload",
    "operational-behavior-host-application-death-payload",
    "payloads-state-will-message-payload",
)
def a_will_says_offline_and_the_time_of_connect() -> None:
    told = msgspec.json.decode(certificate.will(SESSION).payload)
    assert told == {"online": False, "timestamp": MS}


@statement(
    "host-topic-phid-birth-payload-timestamp",
    "message-flow-phid-sparkplug-state-publish-payload-timestamp",
)
def a_birth_has_the_timestamp_of_its_will() -> None:
    will, birth = certificate.will(SESSION), certificate.birth(SESSION)
    assert msgspec.json.decode(will.payload)["timestamp"] == MS
    assert msgspec.json.decode(birth.payload)["timestamp"] == MS


@statement(
    "host-topic-phid-death-payload-timestamp-disconnect-clean",
    "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet",
    "operational-behavior-host-application-termination",
)
def a_death_on_purpose_has_the_time_of_the_end() -> None:
    told = msgspec.json.decode(certificate.death(SESSION, MS + 5000).payload)
    assert told == {"online": False, "timestamp": MS + 5000}


@statement("operational-behavior-edge-node-termination-host-offline")
def a_death_counts_though_the_clock_was_put_back() -> None:
    # edge nodes take it only if its time is not before that of the birth
    told = msgspec.json.decode(certificate.death(SESSION, MS - 3_600_000).payload)
    assert told["timestamp"] == MS


@statement("message-flow-hid-sparkplug-state-message-delivered")
def a_host_that_reads_it_is_offline_says_again_that_it_is_online() -> None:
    alive = replace(SESSION, is_born=True)
    offline = certificate.will(SESSION)
    assert certificate.answer(alive, offline.topic, offline.payload) == certificate.birth(SESSION)
    assert certificate.answer(alive, offline.topic, b"") == certificate.birth(SESSION)


@statement("message-flow-hid-sparkplug-state-message-delivered")
def its_own_birth_and_other_hosts_are_no_reason_to_answer() -> None:
    alive = replace(SESSION, is_born=True)
    birth = certificate.birth(SESSION)
    assert certificate.answer(alive, birth.topic, birth.payload) is None
    offline = certificate.will(SESSION).payload
    assert certificate.answer(alive, state_topic("scada"), offline) is None


@statement("host-topic-phid-birth-message")
def before_its_birth_it_answers_nothing() -> None:
    # what the broker retained of an earlier connection comes with the subscription
    offline = certificate.will(SESSION)
    assert certificate.answer(SESSION, offline.topic, offline.payload) is None


# -- topics --------------------------------------------------------------------------------------


@statement("host-topic-phid-birth-sub-required", "message-flow-phid-sparkplug-subscription")
def a_group_is_heard_by_one_filter() -> None:
    assert group_filter("Linz") == "spBv1.0/Linz/#"


@statement(
    "topics-nbirth-topic",
    "topics-ndata-topic",
    "topics-ndeath-topic",
    "topics-dbirth-topic",
    "topics-ddata-topic",
    "topics-ddeath-topic",
)
def topics_name_group_verb_edge_node_and_device() -> None:
    for verb in ("NBIRTH", "NDATA", "NDEATH"):
        assert parse(f"spBv1.0/Linz/{verb}/Gateway") == Address(
            group="Linz", verb=Verb(verb), edge_node="Gateway"
        )
        assert parse(f"spBv1.0/Linz/{verb}/Gateway/Meter") is None
    for verb in ("DBIRTH", "DDATA", "DDEATH"):
        topic = f"spBv1.0/Linz/{verb}/Gateway/Meter"
        address = parse(topic)
        assert address == Address(
            group="Linz", verb=Verb(verb), edge_node="Gateway", device="Meter"
        )
        assert address.topic == topic
        assert parse(f"spBv1.0/Linz/{verb}/Gateway") is None


@statement("topic-structure-namespace-a")
def other_namespaces_and_verbs_are_no_business_of_the_host() -> None:
    for topic in (
        "spAv1.0/Linz/NDATA/Gateway",
        "spBv1.0/STATE/scada",
        "spBv1.0/Linz/WHAT/Gateway",
        "spBv1.0//NDATA/Gateway",
        "spBv1.0/Linz/NDATA",
        "spBv1.0/Linz/DDATA/Gateway/Meter/more",
    ):
        assert parse(topic) is None


@statement("case-sensitivity-sparkplug-ids")
def ids_that_differ_in_case_alone_are_two() -> None:
    assert parse("spBv1.0/linz/NDATA/Gateway") != parse("spBv1.0/Linz/NDATA/Gateway")


@statement("case-sensitivity-metric-names")
def metric_names_that_differ_in_case_alone_are_two() -> None:
    decode = sparkplug.decoder({}, [{"id": "p", "from": "power", "kind": "gauge"}])
    content = payload([Metric(name="Power", datatype="Double", value=1.0)], timestamp_ms=MS, seq=1)
    assert decode(content, MS * 1000).observations == []


# -- births --------------------------------------------------------------------------------------


@statement("topics-nbirth-metric-reqs", "operational-behavior-data-publish-nbirth")
def a_birth_of_a_node_brings_it_online_and_is_remembered() -> None:
    host = Host()
    host.publisher.will(MS)
    effects = host.hear(host.publisher.births(MS)[0])
    (born,) = kinds(effects, Born)
    assert isinstance(born, Born)
    assert [metric.name for metric in born.birth.metrics] == [
        "bdSeq",
        "Node Control/Rebirth",
        "Uptime",
    ]
    assert born.birth.bd_seq == 0
    assert kinds(effects, Online) == [
        Online(group="Linz", edge_node="Gateway", device="", instant=host.received_at)
    ]
    assert host.node.is_online


@statement(
    "topics-nbirth-seq-num",
    "payloads-nbirth-seq",
    "payloads-sequence-num-req-nbirth",
    "message-flow-edge-node-birth-publish-nbirth-payload-seq",
)
def numbers_count_on_from_that_of_the_birth() -> None:
    host = Host()
    host.publisher.will(MS)
    host.publisher.births(MS)
    for seq, following in ((0, 1), (17, 18), (255, 0)):
        content = payload([Metric(name="Uptime", datatype="UInt32", value=1)], seq=seq)
        host.hear(Publication(topic="spBv1.0/Linz/NBIRTH/Gateway", payload=content))
        assert host.node.next_seq == following


@statement(
    "payloads-alias-birth-requirement",
    "payloads-alias-data-cmd-requirement",
    "payloads-name-birth-data-requirement",
)
def an_alias_stands_for_the_metric_that_the_birth_gave_it() -> None:
    host = Host().born()
    assert values(host.hear(host.power(7.5))) == [7.5]


@statement("payloads-name-requirement")
def metrics_may_have_names_instead_of_aliases() -> None:
    host = Host(aliases=False).born()
    assert values(host.hear(host.power(7.5))) == [7.5]


@statement("payloads-metric-datatype-not-req", "payloads-metric-datatype-req")
def the_type_of_a_whole_number_comes_from_its_birth() -> None:
    host = Host()
    host.publisher.devices["Meter"]["Power"] = Metric(datatype="Int8", value=-1)
    host.born()
    assert values(host.hear(host.power(-2))) == [-2.0]


@statement("payloads-alias-uniqueness")
def an_alias_that_two_metrics_claim_means_neither() -> None:
    host = Host().born()
    twins = [
        Metric(name=name, alias=9, datatype="Double", value=1.0, timestamp_ms=MS)
        for name in ("Power", "Voltage")
    ]
    birth = payload(twins, timestamp_ms=MS, seq=host.node.next_seq)
    host.hear(Publication(topic="spBv1.0/Linz/DBIRTH/Gateway/Meter", payload=birth))
    data = payload(
        [Metric(alias=9, datatype="Double", value=2.0, timestamp_ms=MS)],
        timestamp_ms=MS,
        seq=host.node.next_seq,
    )
    heard = host.hear(Publication(topic="spBv1.0/Linz/DDATA/Gateway/Meter", payload=data))
    later = host.wait(60.0)
    assert values([*heard, *later]) == []
    (given_up,) = kinds(later, Forward)
    assert isinstance(given_up, Forward)
    decoded = sparkplug.decoder({}, CHANNELS)(given_up.payload, MS * 1000)
    assert [p.reason for p in decoded.problems] == [Reason.UNKNOWN_METRIC]


@statement("message-flow-device-birth-publish-nbirth-wait")
def what_comes_before_any_birth_waits_for_it() -> None:
    host = Host()
    host.publisher.will(MS)
    node_birth, device_birth = host.publisher.births(MS)
    early = host.power(6.0)
    effects = host.hear(early)
    assert effects == [AskRebirth(group="Linz", edge_node="Gateway")]
    # the rebirth that was asked for
    again, device_again = host.publisher.births(MS + 1000)
    assert values(host.hear(again)) == []
    assert values(host.hear(device_again)) == [6.0]
    assert node_birth.topic == again.topic
    assert device_birth.topic == device_again.topic


@statement("operational-behavior-data-commands-rebirth-action-2")
def births_after_a_request_explain_what_waited_only_if_both_sides_agree() -> None:
    host = Host().born()
    aliases = {m.alias: m.name for m in host.node.births["Meter"].metrics}
    assert sorted(aliases.values()) == ["Energy/Import", "Power"]
    # one is lost, so the next waits
    host.power(6.0)
    host.hear(host.power(7.0))
    host.wait(2.0)
    # the edge node was given another metric meanwhile, and numbers them anew
    host.publisher.devices["Meter"] = {
        "Current": Metric(datatype="Double", value=1.0),
        **host.publisher.devices["Meter"],
    }
    effects = host.hear(*host.publisher.births(MS + 3000))
    assert values(effects) == []
    (waited,) = [e for e in effects if isinstance(e, Forward) and e.address.verb is Verb.DDATA]
    decoded = sparkplug.decoder({}, CHANNELS)(waited.payload, MS * 1000)
    assert [p.reason for p in decoded.problems] == [Reason.UNKNOWN_METRIC]


@statement("payloads-dbirth-seq", "payloads-dbirth-seq-inc", "topics-dbirth-seq")
def a_birth_of_a_device_has_its_place_in_the_order() -> None:
    host = Host()
    host.publisher.will(MS)
    node_birth, device_birth = host.publisher.births(MS)
    host.hear(node_birth)
    assert host.node.next_seq == 1
    effects = host.hear(device_birth)
    assert host.node.next_seq == 2
    assert Online(group="Linz", edge_node="Gateway", device="Meter", instant=T0) in effects


# -- deaths --------------------------------------------------------------------------------------


@statement(
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
    "topics-nbirth-bdseq-matching",
)
def the_death_of_a_node_makes_all_of_it_stale_by_this_hosts_clock() -> None:
    host = Host().born()
    host.wait(30.0)
    effects = host.hear(host.publisher.death(MS))
    assert effects == [
        Stale(group="Linz", edge_node="Gateway", device="", instant=T0 + timedelta(seconds=30))
    ]
    assert not host.node.is_online
    assert host.node.births == {}


@statement("topics-nbirth-bdseq-increment", "payloads-ndeath-bdseq")
def the_will_of_an_earlier_connection_ends_nothing() -> None:
    host = Host().born()
    old_will = host.publisher.death(MS)
    host.publisher.will(MS)
    host.hear(*host.publisher.births(MS))
    assert host.hear(old_will) == []
    assert host.node.is_online
    assert values(host.hear(host.power(8.0))) == [8.0]


@statement("operational-behavior-data-commands-rebirth-action-3", "payloads-nbirth-bdseq-repeat")
def a_rebirth_has_the_number_of_the_will_and_so_its_death_counts() -> None:
    host = Host().born()
    host.hear(*host.publisher.births(MS + 5000))
    assert kinds(host.hear(host.publisher.death(MS)), Stale)


@statement("topics-ndeath-seq", "payloads-ndeath-seq")
def a_death_of_a_node_needs_no_number_in_the_order() -> None:
    host = Host().born()
    assert not read(host.publisher.death(MS).payload).HasField("seq")
    assert host.hear(host.publisher.death(MS)) != []


@statement(
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
    "payloads-ddeath-seq-number",
    "topics-ddeath-seq-num",
)
def the_death_of_a_device_makes_it_stale_by_the_time_it_tells() -> None:
    host = Host().born()
    effects = host.hear(host.publisher.device_death("Meter", MS + 4000))
    assert effects == [
        Stale(group="Linz", edge_node="Gateway", device="Meter", instant=T0 + timedelta(seconds=4))
    ]
    assert host.node.is_online
    assert set(host.node.births) == {""}
    assert host.node.next_seq == 3


@statement("operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale")
def stale_gauges_hold_no_value_and_counters_are_left_alone() -> None:
    decoded = sparkplug.death_decoder(CHANNELS)(payload([], timestamp_ms=MS), MS * 1000)
    assert [(o.channel, o.ts_us, o.value) for o in decoded.observations] == [
        ("power", MS * 1000, None)
    ]


@statement("operational-behavior-edge-node-intentional-disconnect-ndeath")
def data_after_a_death_waits_for_the_next_birth() -> None:
    host = Host().born()
    host.hear(host.publisher.death(MS))
    effects = host.hear(host.power(9.0))
    assert kinds(effects, Forward) == []
    host.publisher.will(MS)
    assert values(host.hear(*host.publisher.births(MS + 9000))) == [9.0]


# -- the order of messages -----------------------------------------------------------------------


@statement(
    "payloads-sequence-num-always-included",
    "payloads-sequence-num-incrementing",
    "payloads-ndata-seq",
    "payloads-ndata-seq-inc",
    "payloads-ddata-seq",
    "payloads-ddata-seq-inc",
    "topics-ndata-seq-num",
    "topics-ddata-seq-num",
)
def numbers_rise_by_one_over_node_and_devices_and_begin_again_at_0() -> None:
    host = Host().born()
    for i in range(300):
        message = (
            host.power(float(i)) if i % 2 else host.publisher.data("", {"Uptime": i}, MS + 1000)
        )
        assert kinds(host.hear(message), AskRebirth) == []
    assert host.node.early == frozenset()
    assert len(values(host.effects)) == 150


@statement("operational-behavior-host-reordering-start")
def a_message_out_of_order_starts_the_timer() -> None:
    host = Host().born()
    host.power(1.0)
    assert host.hear(host.power(2.0)) == []
    assert session.due_at(host.node) == pytest.approx(host.now + 2.0)


@statement("operational-behavior-host-reordering-rebirth")
def a_gap_that_outlasts_the_timer_asks_for_a_rebirth() -> None:
    host = Host().born()
    host.power(1.0)
    host.hear(host.power(2.0))
    assert host.wait(1.9) == []
    assert host.wait(0.1) == [AskRebirth(group="Linz", edge_node="Gateway")]


@statement("operational-behavior-host-reordering-success")
def a_message_that_closes_the_gap_ends_the_timer() -> None:
    host = Host().born()
    late = [host.power(1.0), host.power(2.0)]
    host.hear(host.power(4.0), host.power(5.0))
    assert values(host.effects) == []
    host.wait(1.0)
    assert values(host.hear(*reversed(late))) == [1.0, 2.0, 4.0, 5.0]
    assert session.due_at(host.node) is None
    assert kinds(host.wait(60.0), AskRebirth) == []
    # until another message comes out of order
    host.power(6.0)
    host.hear(host.power(7.0))
    assert kinds(host.wait(2.0), AskRebirth) != []


@statement("operational-behavior-host-reordering-param")
def the_timer_is_a_setting_and_may_be_zero() -> None:
    host = Host(EdgeNode(group="Linz", edge_node="Gateway", reorder_timeout_s=0.0)).born()
    host.power(1.0)
    assert kinds(host.hear(host.power(2.0)), AskRebirth) != []


@statement("operational-behavior-host-reordering-success")
def what_has_names_is_handed_on_in_whichever_order_it_comes() -> None:
    host = Host(aliases=False)
    for metric in host.publisher.devices["Meter"].values():
        assert metric.with_type
    host.born()
    host.power(1.0)
    assert values(host.hear(host.power(2.0))) == [2.0]


@statement("operational-behavior-host-reordering-rebirth")
def nothing_that_waited_is_lost_when_the_rebirth_comes() -> None:
    host = Host().born()
    host.power(1.0)
    host.hear(host.power(2.0), host.power(3.0))
    host.wait(2.0)
    assert values(host.hear(*host.publisher.births(MS + 3000))) == [2.0, 3.0]


@statement("operational-behavior-host-reordering-rebirth")
def births_and_deaths_of_devices_that_came_early_take_effect_in_their_order() -> None:
    host = Host().born()
    late = host.power(1.0)
    death = host.publisher.device_death("Meter", MS + 2000)
    birth = host.publisher.device_birth("Meter", MS + 3000)
    after = host.power(4.0)
    assert host.hear(after, birth, death) == []
    effects = host.hear(late)
    assert [type(e).__name__ for e in effects] == [
        "Forward", "Stale", "Born", "Online", "Forward", "Forward",
    ]  # fmt: skip
    assert values(effects) == [1.0, 4.0]


@statement("operational-behavior-host-reordering-rebirth")
def an_edge_node_that_does_not_answer_is_asked_ever_less_and_then_no_more() -> None:
    host = Host().born()
    host.power(1.0)
    host.hear(host.power(2.0))
    asked = [host.now for _ in range(3600) if kinds(host.wait(1.0), AskRebirth)]
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert len(asked) == 8
    assert gaps == sorted(gaps)
    assert gaps[0] >= 5.0


@statement("operational-behavior-host-reordering-rebirth")
def what_nothing_explains_is_handed_on_as_it_came() -> None:
    host = Host()
    host.publisher.will(MS)
    host.publisher.births(MS)
    lost = host.power(3.0)
    host.hear(lost)
    (forward,) = kinds(host.wait(60.0), Forward)
    assert isinstance(forward, Forward)
    assert forward.payload == lost.payload


@statement("operational-behavior-host-reordering-rebirth")
def what_waits_is_bounded_and_the_oldest_goes_first() -> None:
    host = Host()
    host.publisher.will(MS)
    host.publisher.births(MS)
    for i in range(1001):
        host.hear(host.power(float(i)))
    assert len(kinds(host.effects, Forward)) == 1
    assert len(host.node.waiting) == 1000


# -- the connection of the host -------------------------------------------------------------------


@statement("message-flow-phid-sparkplug-clean-session-311")
def after_a_connection_births_are_asked_for_unless_they_come_by_themselves() -> None:
    host = Host().born()
    host.node = session.begin(host.node, host.now)
    assert kinds(host.wait(2.0), AskRebirth) == [AskRebirth(group="Linz", edge_node="Gateway")]
    other = Host().born()
    other.node = session.begin(other.node, other.now)
    other.publisher.will(MS)
    other.hear(*other.publisher.births(MS))
    assert kinds(other.wait(60.0), AskRebirth) == []


@statement("message-flow-phid-sparkplug-clean-session-311")
def births_that_were_stored_explain_with_the_next_one_what_came_between() -> None:
    before = Host().born()
    stored = before.node.births
    host = Host(EdgeNode(group="Linz", edge_node="Gateway", former=stored))
    host.publisher = before.publisher
    assert values(host.hear(host.power(4.0))) == []
    assert values(host.hear(*host.publisher.births(MS + 2000))) == [4.0]


# -- commands ------------------------------------------------------------------------------------


@statement(
    "operational-behavior-data-commands-ncmd-rebirth-verb",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "operational-behavior-data-commands-ncmd-rebirth-value",
    "payloads-ncmd-timestamp",
    "payloads-ncmd-seq",
    "topics-ncmd-topic",
    "topics-ncmd-timestamp",
)
def a_rebirth_is_asked_for_by_name_and_without_a_number() -> None:
    topic, content = rebirth("Linz", "Gateway", MS)
    assert topic == "spBv1.0/Linz/NCMD/Gateway"
    message = read(content)
    (metric,) = message.metrics
    assert (metric.name, metric.boolean_value, metric.datatype) == (
        "Node Control/Rebirth",
        True,
        11,
    )
    assert not metric.HasField("alias")
    assert message.timestamp == MS
    assert not message.HasField("seq")


@statement("operational-behavior-data-commands-rebirth-name-aliases")
def an_edge_node_understands_the_request() -> None:
    host = Host()
    host.publisher.will(MS)
    topic, content = rebirth("Linz", "Gateway", MS)
    births = host.publisher.hear(topic, content, MS)
    assert [b.topic for b in births] == [
        "spBv1.0/Linz/NBIRTH/Gateway",
        "spBv1.0/Linz/DBIRTH/Gateway/Meter",
    ]


@statement(
    "operational-behavior-data-commands-ncmd-verb", "operational-behavior-data-commands-dcmd-verb"
)
def commands_of_other_hosts_are_no_data() -> None:
    host = Host().born()
    topic, content = rebirth("Linz", "Gateway", MS)
    assert host.hear(Publication(topic=topic, payload=content)) == []


@statement("operational-behavior-data-publish-nbirth")
def a_metric_that_no_birth_has_asks_for_one() -> None:
    host = Host(aliases=False).born()
    content = payload(
        [Metric(name="New", datatype="Double", value=1.0, timestamp_ms=MS)],
        timestamp_ms=MS,
        seq=host.node.next_seq,
    )
    effects = host.hear(Publication(topic="spBv1.0/Linz/DDATA/Gateway/Meter", payload=content))
    assert [type(e).__name__ for e in effects] == ["Forward", "AskRebirth"]


# -- payloads ------------------------------------------------------------------------------------


def _decoded(*metrics: Metric, timestamp_ms: int | None = MS) -> tuple[list[object], list[Reason]]:
    decode = sparkplug.decoder({}, CHANNELS)
    decoded = decode(payload(metrics, timestamp_ms=timestamp_ms, seq=1), MS * 1000)
    return list(decoded.observations), [p.reason for p in decoded.problems]


@statement("payloads-timestamp-in-UTC")
def a_metric_is_timed_by_itself_or_by_its_message() -> None:
    own = Metric(name="Power", datatype="Double", value=1.0, timestamp_ms=MS - 500)
    (observation,), _ = _decoded(own)
    assert observation.ts_us == (MS - 500) * 1000
    (observation,), _ = _decoded(replace(own, timestamp_ms=None))
    assert observation.ts_us == MS * 1000


@statement("payloads-ndata-timestamp", "payloads-ddata-timestamp")
def a_message_without_any_time_is_timed_by_its_arrival() -> None:
    metric = Metric(name="Power", datatype="Double", value=1.0)
    (observation,), _ = _decoded(metric, timestamp_ms=None)
    assert observation.time_source == TIME_FROM_BROKER


@statement("payloads-metric-timestamp-in-UTC")
def history_needs_a_time_of_its_own() -> None:
    history = Metric(name="Power", datatype="Double", value=1.0, is_historical=True)
    assert _decoded(history) == ([], [Reason.BAD_TIME])
    (observation,), _ = _decoded(replace(history, timestamp_ms=MS - 86_400_000))
    assert observation.ts_us == (MS - 86_400_000) * 1000


@statement("payloads-metric-datatype-value-type", "payloads-metric-datatype-value")
def numbers_of_every_type_are_what_was_measured() -> None:
    for datatype, value in (
        ("Int8", -128), ("Int16", -32_768), ("Int32", -2_147_483_648), ("Int64", -5),
        ("UInt8", 255), ("UInt16", 65_535), ("UInt32", 4_294_967_295), ("UInt64", 2**53),
        ("Float", 0.5), ("Double", -12.25), ("Boolean", 1),
    ):  # fmt: skip
        (observation,), problems = _decoded(
            Metric(name="Power", datatype=datatype, value=value, timestamp_ms=MS)
        )
        assert observation.value == float(value), datatype
        assert problems == []


@statement("payloads-metric-datatype-not-req")
def a_whole_number_of_unknown_type_is_not_guessed() -> None:
    metric = Metric(name="Power", datatype="Int8", value=-1, with_type=False)
    assert _decoded(metric) == ([], [Reason.UNKNOWN_METRIC])


@statement(
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
def null_is_a_gap() -> None:
    (observation,), problems = _decoded(Metric(name="Power", datatype="Double", value=None))
    assert observation.value is None
    assert problems == []


@statement("payloads-propertyset-quality-value-type", "payloads-propertyset-quality-value-value")
def quality_is_bad_good_or_stale() -> None:
    for code, quality in ((192, 0), (0, 2), (500, 2)):
        metric = Metric(name="Power", datatype="Double", value=1.0, properties={"Quality": code})
        (observation,), problems = _decoded(metric)
        assert observation.quality == quality
        assert problems == []
    metric = Metric(name="Power", datatype="Double", value=1.0, properties={"Quality": 77})
    assert _decoded(metric) == ([], [Reason.BAD_QUALITY])


@statement("payloads-template-instance-is-definition", "payloads-template-definition-nbirth-only")
def templates_are_refused_and_the_rest_is_taken() -> None:
    template = Metric(name="Power", datatype="Template", value=b"\x28\x00", timestamp_ms=MS)
    other = Metric(name="Energy/Import", datatype="UInt64", value=9, timestamp_ms=MS)
    (observation,), problems = _decoded(template, other)
    assert observation.channel == "import"
    assert problems == [Reason.UNSUPPORTED_METRIC]


@statement("payloads-dataset-column-size")
def data_sets_are_refused() -> None:
    metric = Metric(name="Power", datatype="DataSet", value=b"\x08\x00", timestamp_ms=MS)
    assert _decoded(metric) == ([], [Reason.UNSUPPORTED_METRIC])


@statement("payloads-template-instance-members")
def a_channel_that_names_a_member_of_a_template_hears_why_it_gets_nothing() -> None:
    template = Metric(name="Energy", datatype="Template", value=b"\x28\x00", timestamp_ms=MS)
    assert _decoded(template) == ([], [Reason.UNSUPPORTED_METRIC])


@statement("payloads-dbirth-timestamp", "payloads-nbirth-timestamp")
def values_of_births_are_readings_but_amounts_are_not_taken_twice() -> None:
    channels = [*CHANNELS, {"id": "batch", "from": "Batch", "kind": "event"}]
    content = payload(
        [
            Metric(name="Power", datatype="Double", value=1.0, timestamp_ms=MS),
            Metric(name="Energy/Import", datatype="UInt64", value=9, timestamp_ms=MS),
            Metric(name="Batch", datatype="Double", value=50.0, timestamp_ms=MS),
        ],
        timestamp_ms=MS,
        seq=0,
    )
    born = sparkplug.birth_decoder(channels)(content, MS * 1000)
    assert [o.channel for o in born.observations] == ["power", "import"]
    data = sparkplug.decoder({}, channels)(content, MS * 1000)
    assert [o.channel for o in data.observations] == ["power", "import", "batch"]


@statement("operational-behavior-data-publish-dbirth")
def a_birth_without_a_channels_metric_is_told_with_what_it_has_instead() -> None:
    content = payload(
        [
            Metric(name="Power", datatype="Double", value=1.0, timestamp_ms=MS),
            Metric(name="Energy/import", datatype="UInt64", value=9, timestamp_ms=MS),
        ],
        timestamp_ms=MS,
        seq=0,
    )
    (problem,) = sparkplug.birth_decoder(CHANNELS)(content, MS * 1000).problems
    assert problem.channel == "import"
    assert problem.detail == 'the birth has no metric "Energy/Import"; it has "Energy/import"'


@statement("payloads-propertyset-keys-array-size")
def the_unit_that_a_birth_tells_holds_for_the_data_after_it() -> None:
    host = Host()
    host.publisher.devices["Meter"]["Power"] = Metric(
        datatype="Double", value=5.0, properties={"engUnit": "kW"}
    )
    host.born()
    (forward,) = kinds(host.hear(host.power(6.0)), Forward)
    assert isinstance(forward, Forward)
    (observation,) = sparkplug.decoder({}, CHANNELS)(forward.payload, MS * 1000).observations
    assert (observation.value, observation.unit) == (6.0, "kW")


@statement("payloads-propertyset-values-array-size")
def a_unit_that_nobody_knows_is_for_people() -> None:
    metric = Metric(name="Power", datatype="Double", value=1.0, properties={"engUnit": "furlongs"})
    (observation,), problems = _decoded(metric)
    assert observation.unit is None
    assert problems == []


def test_what_is_transient_is_not_stored() -> None:
    metric = Metric(name="Power", datatype="Double", value=1.0, is_transient=True)
    assert _decoded(metric) == ([], [])


@statement("message-flow-edge-node-birth-publish-nbirth-payload")
def bytes_that_are_no_payload_are_refused_whole_and_change_nothing() -> None:
    host = Host().born()
    before = host.node
    (forward,) = host.hear(
        Publication(topic="spBv1.0/Linz/DDATA/Gateway/Meter", payload=b"\xff\xff")
    )
    assert host.node == before
    assert isinstance(forward, Forward)
    with pytest.raises(UndecodableError):
        sparkplug.decoder({}, CHANNELS)(forward.payload, MS * 1000)


@pytest.mark.parametrize(
    "test", [pytest.param(test, id=f"{id_}:{test.__name__}") for id_, test in _TESTS]
)
def test_statement(test: Test) -> None:
    test()
