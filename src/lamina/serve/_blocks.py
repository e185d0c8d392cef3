"""A network's outputs for any number of rows, from a few compiled sizes; a row's bits don't depend on its batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_SIZES = (1, 4, 16, 64, 256)
"""Block sizes in rows, each compiled separately; `lamina.compile` warns of eight or more."""


class Blocks:
    """Calls a compiled forward pass with padded blocks of rows.

    A row's outputs must not depend on the other rows of its batch. `lamina.compile` guarantees that with
    `independent_rows`. Still, each size is tested when the model is loaded, and used only if its outputs have the same
    bits as those of the smallest size.

    Args:
        forward: a function from arrays with equal numbers of rows to outputs (rows, outputs).
        sample: arrays of 256 typical rows, for tests and warm-up.

    >>> blocks = Blocks(lambda arrays: arrays[0] * 2.0, [np.arange(256.0).reshape(-1, 1)])
    >>> blocks.sizes
    (1, 4, 16, 64, 256)
    >>> blocks.outputs([np.arange(7.0).reshape(-1, 1)]).ravel().tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    """

    def __init__(
        self, forward: Callable[[Sequence[np.ndarray]], np.ndarray], sample: Sequence[np.ndarray]
    ) -> None:
        self._forward = forward
        turned = [np.roll(array, 1, axis=0) for array in sample]
        alone = self._by(1, sample)
        self.sizes = tuple(
            size
            for size in _SIZES
            if size == 1
            or (
                _same(self._by(size, sample), alone)
                and _same(np.roll(self._by(size, turned), -1, axis=0), alone)
            )
        )

    def outputs(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The outputs of all rows, (rows, outputs)."""
        rows, begin = len(arrays[0]), 0
        parts: list[np.ndarray] = []
        while begin < rows:
            size = self._size(rows - begin)
            end = min(begin + size, rows)
            block = [_padded(array[begin:end], size) for array in arrays]
            parts.append(self._forward(block)[: end - begin])
            begin = end
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _size(self, rows: int) -> int:
        """The best size of the next block for `rows` rows: a padded block if that is less than twice the rows.

        Otherwise the largest full block.
        """
        enough = [size for size in self.sizes if rows <= size < 2 * rows]
        return enough[0] if enough else max(size for size in self.sizes if size <= rows)

    def _by(self, size: int, sample: Sequence[np.ndarray]) -> np.ndarray:
        rows = len(sample[0])
        return np.concatenate(
            [self._forward([array[i : i + size] for array in sample]) for i in range(0, rows, size)]
        )


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


def _padded(part: np.ndarray, size: int) -> np.ndarray:
    if len(part) == size:
        return part
    padded = np.zeros((size, *part.shape[1:]), part.dtype)
    padded[: len(part)] = part
    return padded
