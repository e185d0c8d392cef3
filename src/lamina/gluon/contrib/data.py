"""`IntervalSampler`, which MXNet 1.x has in this module."""

from lamina.gluon.data.sampler import IntervalSampler

__all__ = ["IntervalSampler"]
