"""E-mail addresses."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.table.types.fields import Field, Fields
from lamina.table.values import lazily

_EMAIL = lazily(r"(?:mailto:|[^<>@]*<)?[^@\s<>,;:/]+@((?:[\w-]+\.)+[^\W\d_]{2,})>?")


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

    def read(self, text: str) -> Mapping[str, Field] | None:
        found = _EMAIL.fullmatch(text.strip())
        if found is None:
            return None
        domain = found[1].lower()
        return {"domain": domain, "top-level domain": domain.rpartition(".")[2]}
