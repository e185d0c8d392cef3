"""Functions that join samples into a mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.array import Facade
from lamina.errors import DataError, ShapeError
from lamina.gluon.data.deferred import gather
from lamina.nd import NDArray, array, stack
from lamina.nd.facade import plain, presented
from lamina.support.messages import in_a_line

__all__ = ["default_batchify_fn"]


def default_batchify_fn(data: Sequence[Any]) -> Any:
    """Stack samples along a new axis 0, in the samples' dtype, to make a mini-batch.

    Tuples are stacked item by item into a list, named tuples into a named tuple of the same type, and dictionaries key
    by key into a dictionary, at any depth of nesting. Strings become a list of strings.

    Raises:
        ShapeError: samples differ in shape.
        DataError: dictionaries differ in their keys, or tuples in length.

    >>> images, labels = default_batchify_fn([(np.zeros(2), 1), (np.ones(2), 0)])
    >>> images.shape, labels.asnumpy()
    ((2, 2), array([1, 0]))
    >>> batch = default_batchify_fn([{"x": np.zeros(2), "id": "a"}, {"x": np.ones(2), "id": "b"}])
    >>> batch["x"].shape, batch["id"]
    ((2, 2), ['a', 'b'])
    """
    first = data[0]
    if isinstance(first, NDArray | Facade):
        rows = [plain(row) for row in data]
        batch = gather(rows)
        return presented(_stacked(rows) if batch is None else batch)
    if isinstance(first, tuple):
        try:
            parts = [default_batchify_fn(part) for part in list(zip(*data, strict=True))]
        except (TypeError, ValueError):
            _require_alike(data, tuple, len, "number of items")
            raise
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    if isinstance(first, Mapping):
        _require_alike(data, Mapping, set, "keys")
        return {key: default_batchify_fn([sample[key] for sample in data]) for key in first}
    if isinstance(first, str | bytes):
        return list(data)
    try:
        numbers = np.asarray(data)
    except ValueError:
        raise _do_not_stack([np.shape(sample) for sample in data]) from None
    return presented(array(numbers, dtype=numbers.dtype))


def _require_alike(samples: Sequence[Any], kind: type, form: Callable[[Any], Any], what: str) -> None:
    """Raise `DataError` unless all samples have type `kind` and the same ``form(sample)``.

    The message shows the first sample that differs; `what` names the form in the message.
    """
    for place, sample in enumerate(samples):
        if not isinstance(sample, kind) or form(sample) != form(samples[0]):
            raise DataError(
                f"DataLoader: sample {place} of a batch is {in_a_line(sample)}, but sample 0 is "
                f"{in_a_line(samples[0])}; give all samples the same {what}, or pass a batchify_fn of your own"
            )


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
