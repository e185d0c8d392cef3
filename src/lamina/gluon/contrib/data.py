"""`IntervalSampler`, under its module name in MXNet 1.x."""

from lamina.gluon.data.sampler import IntervalSampler

__all__ = ["IntervalSampler"]
