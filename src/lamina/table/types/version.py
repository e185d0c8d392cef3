"""Version numbers of software."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from lamina.table.types.fields import Fields
from lamina.table.types.reading import Source
from lamina.table.values import lazily

_NUMBERS = ("major", "minor", "patch", "build")
_THREE = r"\.".join(rf"(?P<{name}>\d{{1,9}})" for name in _NUMBERS[:3])
_SUFFIX = r"(?:[-+._]?(?P<suffix>[A-Za-z][\w.+-]*))?"


class Version(Fields):
    """Versions of at least three numbers, such as 1.2.3 or 2.0.0-rc.1; the fields are numbers and suffix.

    >>> Version().read("1.12.0rc1")
    {'major': 1.0, 'minor': 12.0, 'patch': 0.0, 'build': None, 'suffix': 'rc1'}
    """

    tag = "version"
    kind = "version"
    plural = "versions"
    sample = "1.2.3"
    fields = (*_NUMBERS, "suffix")
    patterns = (lazily(rf"[vV]?{_THREE}(?:\.(?P<build>\d{{1,9}}))?{_SUFFIX}", re.ASCII),)
    sources: ClassVar[Mapping[str, Source]] = {name: Source("number", name) for name in _NUMBERS}
