"""``LAMINA_DEBUG=1`` and above: when a queue was computed, at which line, how and why."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.messages import user_location

if TYPE_CHECKING:
    from lamina.deferral._path import Path

__all__ = ["is_asked_for", "tell"]


def is_asked_for() -> bool:
    """Whether to tell; asked once for each sequence, since asking takes as long as putting off two operators."""
    return os.environ.get("LAMINA_DEBUG", "0").strip() not in ("", "0")


def tell(path: Path, how: str, why: str) -> None:
    """Say that a sequence was computed, at the user's line."""
    if not path.is_told:
        return
    count = len(path.entries)
    what = f"{count} events that were put off are" if count > 1 else "1 event that was put off is"
    print(f"{user_location()}: {what} computed, {how}: {why}", file=sys.stderr, flush=True)
