"""A working example request for each model, for its description and for trying it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.serve._bodies import PIXELS
from lamina.serve._model import Model, TableModel

__all__ = ["example_request"]


def example_request(model: Model) -> dict[str, Any]:
    """A row such as training had many of: numbers near the middle, the most frequent categories; or a digit, a 1."""
    if isinstance(model, TableModel):
        return {"rows": [{column.name: column.type.example(column) for column in model.schema.used}]}
    picture = np.zeros((28, 28), int)
    picture[4:24, 13:15] = 255
    return {"rows": [picture.reshape(PIXELS).tolist()]}
