"""Data sets, samplers, and the loader of mini-batches."""
# ruff: noqa: F403

from lamina.gluon.data import sampler, vision
from lamina.gluon.data.dataloader import DataLoader, default_batchify_fn
from lamina.gluon.data.dataset import ArrayDataset, Dataset, SimpleDataset
from lamina.gluon.data.sampler import *
from lamina.support.unsupported import names_of_others

__all__ = ["ArrayDataset", "DataLoader", "Dataset", "SimpleDataset", "default_batchify_fn", "vision"]
__all__ += sampler.__all__


__getattr__ = names_of_others("lamina.gluon.data")
