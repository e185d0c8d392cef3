"""`IntervalSampler`, in the module where MXNet 1.x has it."""

from lamina.gluon.data.sampler import IntervalSampler

__all__ = ["IntervalSampler"]
