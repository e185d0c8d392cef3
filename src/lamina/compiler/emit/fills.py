"""Fill kernels: random numbers, which come in blocks."""

from __future__ import annotations

from lamina.compiler.emit.scope import Scope

__all__ = ["emit_fill"]


def emit_fill(scope: Scope) -> None:
    """Placeholder until the generator is there."""
    raise AssertionError("no random numbers yet")
