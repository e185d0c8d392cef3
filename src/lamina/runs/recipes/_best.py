"""The recipe ``best``: a wide network on images that are deformed anew each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina import nd
from lamina.compiler import compile
from lamina.nd.ndarray import NDArray
from lamina.runs.recipes._augmented import AugmentedNetwork
from lamina.runs.recipes._deformed import DEFORMATIONS, SIDE

__all__ = ["BestNetwork"]


class BestNetwork(AugmentedNetwork):
    """The default recipe's network and Adam, without dropout, since no image is seen twice."""

    dropout = 0.0
    variants = tuple(DEFORMATIONS)

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.see("")

    def see(self, variant: str) -> None:
        """Use this variant of deformation from now on; "" means that of digits."""
        deformation = DEFORMATIONS[variant or self.variants[0]]()
        self._deformed = compile(lambda images: nd.floor(deformation(images) + 0.5).astype(np.uint8))

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """The images unchanged; `data_of` deforms them."""
        return images

    def data_of(
        self, batches: np.ndarray, images: NDArray, labels: NDArray
    ) -> tuple[np.ndarray, NDArray, NDArray]:
        """Newly deformed images, in the order of the steps; images of other sizes unchanged.

        The result is uint8, computed outside the step, since the first layer's product is a third faster on bytes.
        """
        if images.shape[1] != SIDE**2:
            return batches, images, labels
        deformed = self._deformed.run_batches(batches, images).reshape((-1, SIDE**2))
        rows = nd.array(batches.ravel(), ctx=labels.context, dtype=np.int32)
        order = np.arange(batches.size, dtype=np.int32).reshape(batches.shape)
        return order, deformed, nd.take(labels, rows)
