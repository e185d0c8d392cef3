"""A working example request for each model, for its description and for trials."""

from __future__ import annotations

from typing import Any

from lamina.serve._model import Model

__all__ = ["example_request"]


def example_request(model: Model) -> dict[str, Any]:
    """A typical row of training: numbers near the middle, the most frequent categories; for images, a 1."""
    values = {column.name: column.type.example(column) for column in model.schema.used}
    return {"rows": [[*values.values()] if model.schema.pictures else values]}
