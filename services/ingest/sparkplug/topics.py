"""Topics of Sparkplug B (Sparkplug 3.0, chapter 4), and the same under which they are handed over.

What arrives at ``spBv1.0/...`` speaks by aliases that only a birth explains. Ingest's other steps
never see it: they are handed payloads in which every metric has its name, at topics that begin with
``$sparkplug/``, which no broker carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMESPACE: Final = "spBv1.0"

#: Names of groups, edge nodes, devices and hosts are parts of a topic.
_NEVER_IN_IDS: Final = frozenset("/+#")


class Verb(StrEnum):
    """What a message is (section 4.1.3)."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"
    DCMD = "DCMD"

    @property
    def is_device(self) -> bool:
        """Whether it speaks of a device of the edge node."""
        return self.value.startswith("D")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A topic of an edge node or of one of its devices; ids are told apart by case, too."""

    group: str
    verb: Verb
    edge_node: str
    #: empty: the edge node itself
    device: str = ""

    @property
    def topic(self) -> str:
        """The topic that brokers carry."""
        device = f"/{self.device}" if self.device else ""
        return f"{NAMESPACE}/{self.group}/{self.verb}/{self.edge_node}{device}"


def parse(topic: str) -> Address | None:
    """Understand a topic; None: it is of no edge node."""
    namespace, *levels = topic.split("/")
    if namespace != NAMESPACE or not 3 <= len(levels) <= 4 or not all(levels):
        return None
    group, verb, edge_node, *device = levels
    if verb not in Verb.__members__ or Verb(verb).is_device != bool(device):
        return None
    return Address(group=group, verb=Verb(verb), edge_node=edge_node, device="".join(device))


#: What is handed over comes below it; brokers keep topics that begin with $ for themselves.
_HANDED: Final = "$sparkplug"

#: Stands for the verb where a message says whether somebody is online.
_STATUS: Final = "STATUS"


def handed_topic(address: Address) -> str:
    """Return the topic at which a message is handed over, every metric by its name."""
    return f"{_HANDED}/{address.topic.partition('/')[2]}"


def is_handed(topic: str) -> bool:
    """Whether a topic is one of those."""
    return topic.startswith(f"{_HANDED}/")


def status_topic(group: str, edge_node: str, device: str) -> str:
    """Return the topic at which it is handed over that somebody is online, or no more."""
    return "/".join([_HANDED, group, _STATUS, edge_node, *([device] if device else [])])


def state_topic(host_id: str) -> str:
    """Return the topic of a host's own certificates."""
    return f"{NAMESPACE}/STATE/{host_id}"


def group_filter(group: str) -> str:
    """Return the filter of everything that edge nodes of a group publish."""
    return f"{NAMESPACE}/{group}/#"


def is_id(text: str) -> bool:
    """Whether a text can name a group, an edge node, a device or a host (section 4.1)."""
    return bool(text) and _NEVER_IN_IDS.isdisjoint(text)
