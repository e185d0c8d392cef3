"""What the mechanism needs of an array."""

import numpy as np
import pytest

from lamina import nd
from lamina.core.array import StaleGradient
from lamina.errors import StaleGradientError


def test_a_stale_gradient_is_an_error_to_read_and_can_be_overwritten() -> None:
    x = nd.ones((2, 3))
    x.asnumpy()  # where it was deferred, its numbers are behind a property until somebody asks
    x._data = StaleGradient((2, 3), np.dtype(np.float32))
    assert x.shape == (2, 3)
    with pytest.raises(StaleGradientError, match=r"shape \(2, 3\).*keep_gradients=True"):
        x.asnumpy()
    with pytest.raises(StaleGradientError):
        x + 1
    x[:] = 5
    assert set(x.asnumpy().ravel()) == {5}


def test_views_share_their_count_of_writes() -> None:
    x = nd.zeros((3, 2))
    views = [x[1], x[0:2], x.reshape((6,)), x.detach(), x.flatten(inplace=True)]
    copies = [x[:, 0], x.T, x.copy(), x[nd.array([0])], x.expand_dims(0), x.flatten()]
    x[:] = 1
    assert [v._version for v in views] == [1] * len(views)
    assert [c._version for c in copies] == [0] * len(copies)
    views[0][:] = 2
    assert x._version == 2
