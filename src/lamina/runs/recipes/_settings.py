"""Recipes for training on digits, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina.core.precision import Precision
from lamina.errors import LaminaError
from lamina.runs.recipes._augmented import AugmentedNetwork, BestNetwork
from lamina.runs.recipes._chapter import ChapterNetwork


@dataclass(frozen=True)
class Recipe:
    """A network class with the default settings for its training.

    Attributes:
        network: the network class, whose method `step` trains on a batch.
        values: the settings that differ from the defaults of `Settings`.
        passes: the number of passes over the images per epoch.
        measured: the number of training images on which the accuracy is measured after an epoch; None: all.
    """

    network: type[ChapterNetwork]
    values: Mapping[str, Any]
    passes: int = 1
    measured: int | None = None


RECIPES = {
    "default": Recipe(AugmentedNetwork, {"batch_size": 128, "lr": 0.002}),
    "chapter": Recipe(ChapterNetwork, {}),
    "best": Recipe(
        BestNetwork,
        {"hidden": (1024, 512), "batch_size": 500, "lr": 0.003, "time_limit": 300.0},
        passes=5,
        measured=10_000,
    ),
}
"""The recipes.

``default``: Adam with a warm-up and a cosine schedule, dropout 0.1, digits shifted by up to a pixel. ``chapter``: SGD.
``best``: a wider network, and digits deformed anew in each step, until the time limit.
"""


@dataclass(frozen=True)
class Settings:
    """The settings of a training, with either a number of epochs or a time limit.

    The time limit, in seconds, is for the whole command. With a number of epochs, equal settings give equal bits on the
    same machine. Raises `LaminaError` for an invalid value.
    """

    hidden: tuple[int, ...] = (256, 256)
    epochs: int | None = 10
    batch_size: int = 64
    lr: float = 0.001
    seed: int = 0
    recipe: str = "chapter"
    time_limit: float | None = None
    precision: Precision = "float32"

    @classmethod
    def of(cls, recipe: str, **chosen: Any) -> Settings:
        """The settings of a recipe, overridden by `chosen`.

        A number of epochs in `chosen` replaces the recipe's time limit, and vice versa.
        """
        values = dict(RECIPES[recipe].values) if recipe in RECIPES else {}
        if "epochs" in chosen:
            values.pop("time_limit", None)
        values |= chosen
        if "time_limit" in values:
            values.setdefault("epochs", None)
        return cls(recipe=recipe, **values)

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise LaminaError(f"unknown recipe {self.recipe!r}; known: {', '.join(RECIPES)}")
        if any(units < 1 for units in self.hidden):
            raise LaminaError(f"every hidden layer needs at least 1 unit, not {self.hidden}")
        if (self.epochs is None) == (self.time_limit is None):
            raise LaminaError("a training needs a number of epochs or a time limit: give exactly one of them")
        if self.time_limit is not None and not 0 < self.time_limit < float("inf"):
            raise LaminaError(f"time_limit must be a positive number of seconds, not {self.time_limit}")
        for name in ("epochs", "batch_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise LaminaError(f"{name} must be at least 1, not {value}")
        if not 0 < self.lr < float("inf"):
            raise LaminaError(f"lr must be a positive number, not {self.lr}")
        if not 0 <= self.seed < 1 << 63:
            raise LaminaError(f"seed must be a whole number from 0 to 2**63 - 1, not {self.seed}")
