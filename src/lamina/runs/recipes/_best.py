"""The recipe ``best``: a wide network on pictures that are deformed anew whenever they are seen."""

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
    """The default recipe's network and its Adam; no picture is seen twice, so that nothing needs to be left out."""

    dropout = 0.0
    variants = tuple(DEFORMATIONS)

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.see("")

    def see(self, variant: str) -> None:
        """Deform pictures from now on as the variant says; without one as digits are deformed."""
        deformation = DEFORMATIONS[variant or self.variants[0]]()
        self._deformed = compile(lambda images: nd.floor(deformation(images) + 0.5).astype(np.uint8))

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """The pictures as they are: `data_of` deforms them."""
        return images

    def data_of(
        self, batches: np.ndarray, images: NDArray, labels: NDArray
    ) -> tuple[np.ndarray, NDArray, NDArray]:
        """Pictures deformed anew, in the order of the steps; pictures of other sizes as they are.

        They are bytes again, and not part of the step: of bytes the first layer's products are a third faster.
        """
        if images.shape[1] != SIDE**2:
            return batches, images, labels
        deformed = self._deformed.run_batches(batches, images).reshape((-1, SIDE**2))
        rows = nd.array(batches.ravel(), ctx=labels.context, dtype=np.int32)
        order = np.arange(batches.size, dtype=np.int32).reshape(batches.shape)
        return order, deformed, nd.take(labels, rows)
