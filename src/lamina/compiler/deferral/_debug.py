"""Debug output: where, how and why deferred operators were computed, with ``LAMINA_DEBUG=1`` and above.

Each line of the user's program is printed once. The number of its repetitions is printed at exit.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from lamina.support.messages import counted, debug_level, show, user_location

if TYPE_CHECKING:
    from lamina.compiler.deferral._path import Path

_times: dict[tuple[str, str, str], int] = {}
"""How often deferred events were computed, by (line, how, why)."""


def is_asked_for() -> bool:
    """Whether debug output is on. Read this once per sequence, as it costs as much as deferring two operators."""
    return debug_level() >= 1


def tell(path: Path, how: str, why: str) -> None:
    """Print how and why a sequence was computed, with the line of the user's program. Repetitions are only counted."""
    if not path.is_told:
        return
    if not _times:
        atexit.register(_tell_how_often)
    place = user_location(), how, why
    _times[place] = _times.get(place, 0) + 1
    if _times[place] == 1:
        count = len(path.entries)
        what = f"{count} deferred events are" if count > 1 else "1 deferred event is"
        show(f"{place[0]}: {what} computed, {how}: {why}")


def _tell_how_often() -> None:
    for (location, how, why), times in _times.items():
        if times > 1:
            show(f"{location}: computed {counted(times, 'time')}, {how}: {why}")
    _times.clear()
