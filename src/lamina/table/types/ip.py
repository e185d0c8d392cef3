"""IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from lamina.table.types.fields import Field, Fields
from lamina.table.values import lazily

_V4 = lazily(r"(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5})|/\d{1,2})?", re.ASCII)
_V6 = lazily(
    r"\[?([0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(?:%\w+)?(?:\]:(\d{1,5})|\]|/\d{1,3})?", re.ASCII
)


_LONGEST = 64


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
