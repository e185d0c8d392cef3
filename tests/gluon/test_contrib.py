"""What MXNet has under gluon.contrib."""

import numpy as np
import pytest

import lamina as mx
from lamina import gluon, nd
from lamina.errors import OutsideError
from lamina.gluon.contrib.nn import Concurrent, HybridConcurrent, Identity


@pytest.mark.parametrize("kind", [Concurrent, HybridConcurrent])
def test_blocks_beside_each_other(kind):
    net = kind(axis=1)
    net.add(gluon.nn.Dense(2, in_units=3), Identity())
    net.initialize(mx.init.One())
    net.hybridize()
    np.testing.assert_array_equal(net(nd.ones((1, 3))).asnumpy(), [[3, 3, 1, 1, 1]])


def test_the_rest():
    assert list(gluon.contrib.data.IntervalSampler(4, 2)) == [0, 2, 1, 3]
    with pytest.raises(OutsideError, match=r"mx\.gluon\.contrib\.estimator: write the loop"):
        gluon.contrib.estimator  # noqa: B018 - the mistake under test
    with pytest.raises(OutsideError, match="BatchNorm"):
        gluon.contrib.nn.SyncBatchNorm  # noqa: B018


@pytest.mark.parametrize(("path", "said"), [
    ("gluon.nn.Conv2D", "no convolutions"),
    ("gluon.rnn", "no fused recurrent layers"),
    ("gluon.contrib.nn.SyncBatchNorm", "gluon.nn.BatchNorm"),
    ("gluon.data.vision.CIFAR10", "ArrayDataset"),
    ("gluon.data.vision.transforms.Resize", "Pillow"),
    ("gluon.data.RecordFileDataset", "Pillow"),
    ("io.LibSVMIter", "NDArrayIter"),
    ("optimizer.LBSGD", "LARS"),
    ("init.LSTMBias", "recurrent"),
    ("operator.NumpyOp", "autograd.Function"),
    ("kv.KVStoreServer", "C library"),
    ("mod.SequentialModule", "mx.mod.Module alone"),
])  # fmt: skip
def test_what_is_left_out_says_what_there_is_instead(path, said):
    *parents, name = path.split(".")
    namespace = mx
    for parent in parents:
        namespace = getattr(namespace, parent)
    with pytest.raises(OutsideError, match=said):
        getattr(namespace, name)
    assert not hasattr(namespace, name)
