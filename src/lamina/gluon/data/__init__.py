"""Data sets, samplers, and the loader of mini-batches."""

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
from lamina.support.unsupported import names_of_others

__all__ = [
    "ArrayDataset", "BatchSampler", "DataLoader", "Dataset", "FilterSampler", "IntervalSampler",
    "RandomSampler", "Sampler", "SequentialSampler", "SimpleDataset", "default_batchify_fn", "vision",
]  # fmt: skip


__getattr__ = names_of_others("lamina.gluon.data")
