"""Data sets, samplers, and the loader of mini-batches."""

from typing import Any

from lamina.gluon.data import vision
from lamina.gluon.data.batchify import default_batchify_fn
from lamina.gluon.data.dataloader import DataLoader
from lamina.gluon.data.dataset import ArrayDataset, Dataset, SimpleDataset
from lamina.gluon.data.sampler import (
    BatchSampler,
    FilterSampler,
    IntervalSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)
from lamina.support.unsupported import no_attribute

__all__ = [
    "ArrayDataset", "BatchSampler", "DataLoader", "Dataset", "FilterSampler", "IntervalSampler",
    "RandomSampler", "Sampler", "SequentialSampler", "SimpleDataset", "default_batchify_fn", "vision",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.gluon.data", name)
