"""Version numbers of software."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lamina.table.types.fields import Field, Fields
from lamina.table.values import lazily

_VERSION = lazily(
    r"[vV]?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:[-+._]?([A-Za-z][\w.+-]*))?", re.ASCII
)


class Version(Fields):
    """Versions of at least three numbers, such as 1.2.3 or 2.0.0-rc.1; the fields are numbers and suffix.

    >>> Version().read("1.12.0rc1")
    {'major': 1.0, 'minor': 12.0, 'patch': 0.0, 'build': None, 'suffix': 'rc1'}
    """

    tag = "version"
    kind = "version"
    plural = "versions"
    sample = "1.2.3"
    fields = ("major", "minor", "patch", "build", "suffix")

    def read(self, text: str) -> Mapping[str, Field] | None:
        found = _VERSION.fullmatch(text.strip())
        if found is None:
            return None
        numbers = [None if number is None else float(number) for number in found.groups()[:4]]
        return dict(zip(self.fields, (*numbers, found[5] or ""), strict=True))
