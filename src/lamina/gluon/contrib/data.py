"""`IntervalSampler`, where MXNet 1.x has it."""

from lamina.gluon.data.sampler import IntervalSampler

__all__ = ["IntervalSampler"]
