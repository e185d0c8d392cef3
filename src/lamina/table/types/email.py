"""E-mail addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lamina.table.types.fields import Fields
from lamina.table.types.reading import Source
from lamina.table.values import lazily

_DOMAIN = r"(?P<domain>(?:[\w-]+\.)+(?P<top>[^\W\d_]{2,}))"


class Email(Fields):
    """E-mail addresses, whose fields are the domain and its last label.

    The local part (before @) identifies a person and is left out.

    >>> Email().read("Ada <ada@mail.example.org>"), Email().read("@home")
    ({'domain': 'mail.example.org', 'top-level domain': 'org'}, None)
    """

    tag = "email"
    kind = "e-mail"
    plural = "e-mail addresses"
    sample = "ada@example.com"
    fields = ("domain", "top-level domain")
    patterns = (lazily(rf"(?:mailto:|[^<>@]*<)?[^@\s<>,;:/]+@{_DOMAIN}>?"),)
    sources: ClassVar[Mapping[str, Source]] = {
        "domain": Source(group="domain", lower=True),
        "top-level domain": Source(group="top", lower=True),
    }
