"""What an `Estimator` does with a batch; a subclass changes it."""

from __future__ import annotations

from typing import Any

from lamina import autograd
from lamina.gluon.utils import split_and_load

__all__ = ["BatchProcessor"]


class BatchProcessor:
    """The passes over a batch of data and labels, which are split among the estimator's devices.

    Both methods return lists of data, labels, predictions and losses, with one array per device.
    """

    def _get_data_and_label(self, batch: Any, ctx: Any, batch_axis: int = 0) -> tuple[Any, Any]:
        data, label = (split_and_load(x, ctx_list=ctx, batch_axis=batch_axis) for x in batch[:2])
        return data, label

    def evaluate_batch(self, estimator: Any, val_batch: Any, batch_axis: int = 0) -> tuple[Any, ...]:
        """Compute predictions and losses."""
        data, label = self._get_data_and_label(val_batch, estimator.context, batch_axis)
        pred = [estimator.val_net(x) for x in data]
        loss = [estimator.val_loss(found, y) for found, y in zip(pred, label, strict=True)]
        return data, label, pred, loss

    def fit_batch(self, estimator: Any, train_batch: Any, batch_axis: int = 0) -> tuple[Any, ...]:
        """Compute predictions, losses and gradients; a `GradientUpdateHandler` makes the step."""
        data, label = self._get_data_and_label(train_batch, estimator.context, batch_axis)
        with autograd.record():
            pred = [estimator.net(x) for x in data]
            loss = [estimator.loss(found, y) for found, y in zip(pred, label, strict=True)]
        autograd.backward(loss)
        return data, label, pred, loss
