"""Which addresses messages may go to: no facility file may make tonne call its neighbours."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from enum import Enum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: RFC 6052, RFC 8215: IPv4 inside IPv6 for translators.
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
#: RFC 3879: deprecated, and still routed inside a site where it is used.
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
#: RFC 4291, section 2.5.5.1: deprecated.
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class Reach(Enum):
    """How far inside a message may go."""

    #: only addresses that the whole internet can reach
    PUBLIC = "public"
    #: also the site's own networks and this machine, but never link-local addresses, where machines
    #: of a cloud are configured
    SITE = "site"
    #: any address
    ANY = "any"


def refusal(address: Address, reach: Reach) -> str | None:
    """Return the kind of an address that is refused; None: messages may go there.

    An IPv6 address that carries an IPv4 address is checked as both.
    """
    if reach is Reach.ANY:
        return None
    return next(
        (kind for spelling in _spellings(address) if (kind := _kind(spelling, reach)) is not None),
        None,
    )


def _spellings(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield address.teredo[1]
    if any(address in network for network in (*_NAT64, _IPV4_COMPATIBLE)):
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _kind(address: Address, reach: Reach) -> str | None:
    kinds = {
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "unspecified": address.is_unspecified,
    }
    if reach is Reach.PUBLIC:
        kinds |= {"loopback": address.is_loopback, "private": _is_private(address)}
    return next((kind for kind, applies in kinds.items() if applies), None)


def _is_private(address: Address) -> bool:
    """Return whether some hosts of the internet cannot reach it."""
    old = isinstance(address, ipaddress.IPv6Address) and (
        address in _SITE_LOCAL or address in _IPV4_COMPATIBLE
    )
    return old or not address.is_global
