"""Clusters of processes, as on a machine of one's own."""

import os
from contextlib import contextmanager
from unittest import mock

import pytest


@contextmanager
def _cluster(workers, **more):
    distributed = pytest.importorskip("distributed", reason="NOT TESTED: Dask, which is not installed")
    settings = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    settings |= more
    # Workers inherit the environment, in which a benchmark that another test imports may have set a number of threads.
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with mock.patch.dict(os.environ, plain, clear=True):
        cluster = distributed.LocalCluster(**settings)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="session")
def _two_workers():
    with _cluster(2) as client:
        yield client


@pytest.fixture
def client(_two_workers):
    """Of a cluster of two processes; the current client of the test."""
    with _two_workers.as_current():
        yield _two_workers


@pytest.fixture
def one_worker():
    """The client of another cluster: of one worker, in this process."""
    with _cluster(1, processes=False) as client:
        yield client
