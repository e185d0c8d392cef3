"""How samples become a mini-batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.array import Facade
from lamina.errors import ShapeError
from lamina.gluon.data.deferred import gather
from lamina.nd.conversion import array
from lamina.nd.facade import plain, presented
from lamina.nd.join import stack
from lamina.nd.ndarray import NDArray

__all__ = ["default_batchify_fn"]


def default_batchify_fn(data: Sequence[Any]) -> Any:
    """Stack samples along a new axis 0; of tuples, part by part, into a list. The dtype is that of the samples.

    >>> images, labels = default_batchify_fn([(np.zeros(2), 1), (np.ones(2), 0)])
    >>> images.shape, labels.asnumpy()
    ((2, 2), array([1, 0]))
    """
    first = data[0]
    if isinstance(first, NDArray | Facade):
        rows = [plain(row) for row in data]
        batch = gather(rows)
        return presented(_stacked(rows) if batch is None else batch)
    if isinstance(first, tuple):
        return [default_batchify_fn(part) for part in zip(*data, strict=True)]
    try:
        numbers = np.asarray(data)
    except ValueError:
        raise _do_not_stack([np.shape(sample) for sample in data]) from None
    return presented(array(numbers, dtype=numbers.dtype))


def _stacked(rows: Sequence[NDArray]) -> NDArray:
    shapes = [row.shape for row in rows]
    if len(set(shapes)) != 1:
        raise _do_not_stack(shapes)
    return stack(*rows, axis=0)


def _do_not_stack(shapes: Sequence[tuple[int, ...]]) -> ShapeError:
    found = ", ".join(map(str, sorted(set(shapes))))
    return ShapeError(
        f"DataLoader: samples of shapes {found} do not stack into one batch; "
        "give them one shape in the data set's transform, or pass a batchify_fn of your own"
    )
