"""Time zones of dates in texts: abbreviations, and names in IANA's database."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from lamina.table.values import lazily

ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
    "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
    "hst": -600, "akst": -540, "akdt": -480, "ast": -240, "adt": -180, "nst": -210, "ndt": -150,
    "wet": 0, "west": 60, "bst": 60, "cet": 60, "cest": 120, "eet": 120, "eest": 180, "msk": 180,
    "sast": 120, "eat": 180, "wat": 60, "cat": 120, "pkt": 300, "ist": 330, "hkt": 480, "jst": 540, "kst": 540,
    "awst": 480, "acst": 570, "acdt": 630, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
}  # fmt: skip
"""Offsets from UTC, in minutes, of the time zones named in RFC 822, then of other abbreviations of IANA's database."""

_UNSURE = lazily(r"\d(?: ?[ap]\.?m\.?)? ?(ast|bst|cst|ist)\b", re.IGNORECASE)
"""A time with an ambiguous zone name, e.g. BST, which is British Summer Time or Bangladesh Standard Time."""

_LIMITS = -719_162 * 1440, 2_932_896 * 1440
"""The years 1 to 9999 in minutes since 1970-01-01."""


def zone_said(text: str) -> str:
    """The assumed meaning of a text's time zone, if the zone's abbreviation is ambiguous; otherwise "".

    >>> zone_said("2024-05-03 10:15 CST"), zone_said("2024-05-03 10:15 CET")
    ('CST is UTC-6', '')
    """
    found = _UNSURE.search(text)
    return f"{found[1]} is UTC{ZONES[found[1].lower()] / 60:+g}" if found else ""


@cache
def zone_names() -> dict[str, str]:
    """The time zones in this machine's copy of IANA's database.

    The result maps the lower case of each name to the name.
    """
    return {name.lower(): name for name in available_timezones()}


def ahead_in(region: str, minutes: np.ndarray) -> np.ndarray:
    """The offset of the zone `region` from UTC, in minutes, at local times; 0 for an unknown zone.

    `minutes` are local times in minutes since 1970-01-01. A time that occurs twice has the offset of its first
    occurrence; a time that a clock change skips has the offset before the change.
    """
    if region not in zone_names():
        return np.zeros(len(minutes))
    first = datetime(1970, 1, 1, tzinfo=ZoneInfo(zone_names()[region]))
    different, places = np.unique(np.clip(minutes, *_LIMITS), return_inverse=True)
    offsets = [(first + timedelta(minutes=one)).utcoffset() or timedelta() for one in different.tolist()]
    return np.array([offset.total_seconds() / 60 for offset in offsets])[places]
