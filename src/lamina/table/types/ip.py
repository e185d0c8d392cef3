"""IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from lamina.table.types.base import ColumnSchema
from lamina.table.types.fields import Field, Fields
from lamina.table.types.reading import Reading, Source
from lamina.table.values import lazily

_V4 = lazily(r"(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5})|/\d{1,2})?", re.ASCII)
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"(?P<address>(?P<subnetwork>(?P<network>{_BYTE})\.{_BYTE})\.{_BYTE}\.{_BYTE})"
_V6 = lazily(
    r"\[?([0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(?:%\w+)?(?:\]:(\d{1,5})|\]|/\d{1,3})?", re.ASCII
)

_LONGEST = 64

_SPECIAL = (
    "0.0.0.0/8 10.0.0.0/8 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 240.0.0.0/4"
)
"""Networks of version 4 that are private; of 192.0.0.0/24 some addresses are."""


@cache
def _private() -> tuple[tuple[int, int], ...]:
    """The ranges of private addresses of version 4, as numbers, from the first to the last."""
    special = [*map(ipaddress.IPv4Network, _SPECIAL.split())]
    special += [one for one in ipaddress.IPv4Network("192.0.0.0/24").subnets(8) if one[0].is_private]
    return tuple((int(one[0]), int(one[-1])) for one in ipaddress.collapse_addresses(special))


class IpAddress(Fields):
    """IP addresses, with a part for each property of an address.

    The fields are the address as a number (version 4 only), its networks, its version, its port, and whether it is
    private. The networks are the first 8 and 16 bits of an address of version 4, or the first 16 and 32 bits of
    version 6.

    >>> IpAddress().read("10.0.0.1:80")
    {'address': 167772161.0, 'network': '10', 'subnetwork': '10.0', 'private': True, 'version': '4', 'port': 80.0}
    """

    tag = "ip"
    kind = "IP address"
    plural = "IP addresses"
    sample = "192.0.2.1"
    fields = ("address", "network", "subnetwork", "private", "version", "port")
    patterns = (lazily(rf"{_ADDRESS}(?::(?P<port>\d{{1,5}})|/\d{{1,2}})?", re.ASCII),)
    sources: ClassVar[Mapping[str, Source]] = {
        "address": Source("address", "address"),
        "port": Source("number", "port"),
        "version": Source(otherwise="4"),
    }
    unsure = lazily(r"(?:[^:]*:){2}[^\0]*")

    def source(self, name: str) -> Source:
        return Source("within", "address", ranges=_private()) if name == "private" else super().source(name)

    def reading(self, schema: ColumnSchema) -> Reading | None:
        is_old = not any("6" in part.categories for part in schema.parts if part.name.endswith(": version"))
        return super().reading(schema) if is_old else None  # version 6 is Python's alone

    def read(self, text: str) -> Mapping[str, Field] | None:
        text = text.strip()
        found = _V4.fullmatch(text) or _V6.fullmatch(text[:_LONGEST])
        if found is None:
            return None
        try:
            address = ipaddress.ip_address(found[1])
        except ValueError:
            return None
        parts = address.exploded.split("." if address.version == 4 else ":")
        return {
            "address": float(int(address)) if address.version == 4 else None,
            "network": parts[0],
            "subnetwork": ".".join(parts[:2]) if address.version == 4 else ":".join(parts[:2]),
            "private": address.is_private,
            "version": str(address.version),
            "port": float(found[2]) if found[2] else None,
        }
