"""Learning rate schedules, which compute the rate from the number of updates.

A scheduler is called with the number of the update (from 1 on) and has no state besides its settings; training can be
resumed at any update. `base_lr` is the initial rate. An optimizer created with a learning rate sets `base_lr`; as in
MXNet this changes neither the end of a warm-up nor a decay by a polynomial or a cosine, which have the `base_lr` that
they were made with. The formulas are in `lamina.support.schedules`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lamina.support.argument_checks import PlainNumbers, check_numbers
from lamina.support.schedules import cosine, linear, polynomial, warm_up
from lamina.support.unsupported import names_of_others

__all__ = ["CosineScheduler", "FactorScheduler", "LRScheduler", "MultiFactorScheduler", "PolyScheduler"]


class LRScheduler(PlainNumbers):
    """A base class with warm-up, in which the rate rises to `base_lr` over the first `warmup_steps` updates.

    Args:
        base_lr: the rate after the warm-up.
        warmup_steps: the length of the warm-up, in updates.
        warmup_begin_lr: the initial rate.
        warmup_mode: ``"linear"``, or ``"constant"`` for the rate `warmup_begin_lr` until the warm-up ends.

    Raises:
        ValueError: a setting is invalid.
    """

    def __init__(
        self,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ) -> None:
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, got {warmup_steps}")
        if warmup_steps and warmup_begin_lr > base_lr:
            raise ValueError(
                f"warm-up must rise: warmup_begin_lr {warmup_begin_lr} is above base_lr {base_lr}"
            )
        if warmup_mode not in ("linear", "constant"):
            raise ValueError(f"warmup_mode must be 'linear' or 'constant', not {warmup_mode!r}")
        self.base_lr = self.warmup_final_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_begin_lr = warmup_begin_lr
        self.warmup_mode = warmup_mode

    def __setstate__(self, settings: dict[str, Any]) -> None:
        if "base_lr" in settings and "warmup_final_lr" not in settings:  # of an earlier version
            names = "_base_lr", "base_lr_orig", "warmup_final_lr"
            settings = {
                "_times": 0,
                "_times_before": 0,
                **dict.fromkeys(names, settings["base_lr"]),
                **settings,
            }
        self.__dict__.update(settings)

    def __call__(self, num_update: int) -> float:
        """The learning rate of update `num_update`."""
        is_warming_up = num_update < self.warmup_steps
        return self.get_warmup_lr(num_update) if is_warming_up else self._scheduled(num_update)

    def get_warmup_lr(self, num_update: int) -> float:
        """The learning rate of update `num_update` during the warm-up."""
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return warm_up(num_update, self.warmup_steps, self.warmup_begin_lr, self.warmup_final_lr)

    def _scheduled(self, num_update: int) -> float:
        """The learning rate after the warm-up, at update `num_update` counted from the first update of training.

        Subclasses override this method or ``__call__``.
        """
        return self.base_lr


class _Falling:
    """Repeated multiplication of a rate by a factor, one multiplication at a time, to round as MXNet does.

    Changes of the rate are logged, as in MXNet.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float, float, int, float] | None = None

    def __call__(self, update: int, times: int, start: float, factor: float, lowest: float = 0.0) -> float:
        """`start` multiplied `times` times by `factor`, but at least `lowest`.

        `update` is only for the log.
        """
        done, rate = 0, start
        if self._last is not None and self._last[:3] == (start, factor, lowest) and self._last[3] <= times:
            done, rate = self._last[3:]
            if done == times:
                return rate
        for _ in range(done, times):
            rate *= factor
            if rate < lowest:
                rate = lowest
                break
        if self._last is not None:
            logging.info("Update[%d]: Change learning rate to %0.5e", update, rate)
        self._last = (start, factor, lowest, times, rate)
        return rate


class _Steps(LRScheduler):
    """A schedule whose rate falls by `factor` at some updates; a rate that is set later falls from then on."""

    factor: float
    stop_factor_lr = 0.0

    def __init__(self, base_lr: float, warmup_steps: int, warmup_begin_lr: float, warmup_mode: str) -> None:
        self._falling, self._times = _Falling(), 0
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    @property
    def base_lr(self) -> float:
        """The rate from which it falls."""
        return self._base_lr

    @base_lr.setter
    def base_lr(self, rate: float) -> None:
        self._base_lr, self._times_before = rate, self._times

    def _scheduled(self, num_update: int) -> float:
        self._times = self._falls(num_update)
        times = max(0, self._times - self._times_before)
        return self._falling(num_update, times, self._base_lr, self.factor, self.stop_factor_lr)

    def _falls(self, num_update: int) -> int:
        """How often the rate has fallen at an update."""
        raise NotImplementedError


class FactorScheduler(_Steps):
    """Multiply the rate by `factor` after every `step` updates, but not below `stop_factor_lr`.

    >>> schedule = FactorScheduler(step=10, factor=0.5, base_lr=1.0)
    >>> [schedule(n) for n in (1, 10, 11, 21)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        step: int,
        factor: float = 1.0,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        check_numbers(step=step)
        if not step >= 1:
            raise ValueError(f"step must be at least 1 update, got {step}")
        _check_factor(factor)
        self.step, self.factor, self.stop_factor_lr = step, factor, stop_factor_lr

    def _falls(self, num_update: int) -> int:
        # As in MXNet, a step may be a fraction of an update.
        return max(0, int(-(-num_update // self.step)) - 1)


class MultiFactorScheduler(_Steps):
    """Multiply the rate by `factor` after each of the update numbers in `step`.

    >>> schedule = MultiFactorScheduler(step=[10, 15], factor=0.1, base_lr=1.0)
    >>> [round(schedule(n), 3) for n in (10, 11, 16)]
    [1.0, 0.1, 0.01]
    """

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1.0,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        steps = list(step)
        if not steps or steps[0] < 1 or any(a >= b for a, b in pairwise(steps)):
            raise ValueError(f"step must be increasing update numbers from 1 on, got {steps}")
        _check_factor(factor)
        self.step, self.factor = steps, factor

    def _falls(self, num_update: int) -> int:
        return sum(milestone < num_update for milestone in self.step)


def _check_factor(factor: float) -> None:
    if factor > 1.0:
        raise ValueError(f"factor must be at most 1, so that the rate falls; got {factor}")


class _Decay(LRScheduler):
    """A decay from `base_lr` after the warm-up to `final_lr` at update `max_update`, then a constant rate."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0.0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if max_update < 1 or max_update <= warmup_steps:
            raise ValueError(
                f"max_update must be positive and after the warm-up of {warmup_steps}, got {max_update}"
            )
        self.max_update, self.final_lr, self.base_lr_orig = max_update, final_lr, base_lr

    def _scheduled(self, num_update: int) -> float:
        passed = min(1.0, (num_update - self.warmup_steps) / (self.max_update - self.warmup_steps))
        return self.final_lr + (self.base_lr_orig - self.final_lr) * self._remaining(passed)

    def _remaining(self, passed: float) -> float:
        """The share of the decay that remains after the share `passed` of its time, both from 0 to 1."""
        return linear(passed)


class PolyScheduler(_Decay):
    """Polynomial decay, final_lr + (base_lr - final_lr)·(1 - n/N)^pwr.

    n is the number of updates and N is `max_update`, both counted from the end of the warm-up.

    >>> [PolyScheduler(max_update=10, base_lr=1.0, pwr=2)(n) for n in (0, 5, 10, 99)]
    [1.0, 0.25, 0.0, 0.0]
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0.0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def _remaining(self, passed: float) -> float:
        return polynomial(passed, self.power)


class CosineScheduler(_Decay):
    """Cosine decay, final_lr + (base_lr - final_lr)·(1 + cos(π n/N))/2.

    n is the number of updates and N is `max_update`, both counted from the end of the warm-up. (This is SGDR by
    Loshchilov and Hutter, 2017, without restarts.)

    >>> [round(CosineScheduler(max_update=10, base_lr=1.0)(n), 3) for n in (0, 5, 10)]
    [1.0, 0.5, 0.0]
    """

    def _remaining(self, passed: float) -> float:
        return cosine(passed)


__getattr__ = names_of_others("lamina.lr_scheduler")
