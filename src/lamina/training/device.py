"""The choice of a training's device, by ``device="gpu"`` or ``"auto"``."""

from __future__ import annotations

import re

from lamina.device.context import Context, cpu, device_of, gpu, usable
from lamina.errors import ContextError
from lamina.support.messages import warn

WORTHWHILE_FLOPS = 1e12
"""Minimum work for which "auto" uses a GPU: some CPU seconds, about the time for compiling for a GPU."""


class NotRoundedWarning(UserWarning):
    """A warning that the device can't multiply in the requested precision, so that products are more exact."""

    subjects = frozenset({"products are not rounded"})


def training_flops(weights: int, rows: int, epochs: int) -> float:
    """The approximate number of floating-point operations of a training.

    Each weight takes 2 operations per row in each of three passes: forward, gradient with respect to inputs, and
    gradient with respect to weights.
    """
    return 6.0 * weights * rows * epochs


def chosen_device(device: str, flops: float) -> Context:
    """The context for the device ``"cpu"``, ``"gpu"``, ``"gpu:1"`` or ``"auto"``.

    "auto" is a GPU if there is a real one (not a CPU under OpenCL, nor an emulator) and `flops`, the amount of work, is
    large enough; otherwise the CPU. Raises `ContextError` for other names, and for a missing GPU.

    >>> chosen_device("cpu", 1e15)
    cpu(0)
    """
    named = re.fullmatch(r"gpu(?::([0-9]{1,4}))?", device) if isinstance(device, str) else None
    if named is not None:
        return usable(gpu(int(named[1] or 0)))
    if device == "auto":
        return _worthwhile(flops)
    if device != "cpu":
        raise ContextError(f"device={device!r} is unknown; known: 'cpu', 'gpu', 'gpu:1' …, 'auto'")
    return cpu()


def described(context: Context) -> str:
    """Describe a context, with its device's name unless it is the CPU.

    >>> described(cpu())
    'cpu(0)'
    """
    return str(context) if context.is_host else f"{context}, {device_of(context).name}"


def rounds_products(context: Context, precision: str) -> bool:
    """Whether a device multiplies faster in this precision: by tensor cores, or a CPU in bfloat16."""
    if context.is_host:
        from lamina.compiler.cpu.machine import target_machine

        return precision == "bfloat16" and target_machine().can_round
    return device_of(context).limits.has_tensor_cores


def warn_if_not_rounded(precision: str, context: Context) -> None:
    """Warn if `precision` allows rounded products, but the device lacks units for them."""
    if precision != "float32" and not rounds_products(context, precision):
        units = "GPUs with tensor cores"
        if precision == "bfloat16":
            units += " and CPUs with fast bfloat16 products (Intel's AMX, AMD since Zen 4)"
        warn(
            NotRoundedWarning(
                f"precision={precision!r} is for {units}, but {described(context)} has none: products are computed in "
                "float32"
            )
        )


def _worthwhile(flops: float) -> Context:
    from lamina.device.choice import found

    if flops >= WORTHWHILE_FLOPS:
        for number, one in enumerate(found()):
            if one.is_gpu:
                return usable(gpu(number))
    return cpu()
