"""The recipe ``best``: a wide network on digits that are deformed anew whenever they are seen."""

from __future__ import annotations

import numpy as np

from lamina.nd.ndarray import NDArray
from lamina.recipes._augmented import AugmentedNetwork
from lamina.recipes._deformed import SIDE, Deformation

__all__ = ["BestNetwork"]


class BestNetwork(AugmentedNetwork):
    """The default recipe's network and its Adam; what it has not seen yet takes the place of dropout."""

    dropout = 0.0

    def seen(self, X: NDArray) -> NDArray:
        """Deformed digits, float32 from 0 to 1; pictures of other sizes stay as they are."""
        return Deformation()(X) / 255 if X.shape[1] == SIDE**2 else X.astype(np.float32) / 255

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """The digits as they are: each step deforms its own."""
        return images
