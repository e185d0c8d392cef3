"""What the tests of scikit-learn's estimators share."""

import pytest
from threadpoolctl import threadpool_limits

from lamina.neural_network import _training


@pytest.fixture(autouse=True)
def one_thread():
    """The peer's products are tiny here, and the threads of its library only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def compiled(monkeypatch):
    """Compiled steps also where a training is so short that scikit-learn's arithmetic is as quick."""
    monkeypatch.setattr(_training, "WORTH_SECONDS", 0)
