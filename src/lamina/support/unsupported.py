"""MXNet features that lamina does not support, and the error for each feature.

lamina trains dense networks only. The names of unsupported features are not attributes of their modules (``hasattr`` is
False); access raises an error that names the alternative. docs/from-mxnet.md lists the features.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib import import_module
from types import ModuleType
from typing import Any

from lamina.errors import OutsideError
from lamina.support.foreign_names import of_module
from lamina.support.messages import closest, suggesting

__all__ = ["OUTSIDE", "names_of_others", "no_attribute"]

_PICTURES = (
    "lamina has no convolutions, pooling or other image operators. Flatten images into rows "
    "(nd.flatten) and use nd.FullyConnected or gluon.nn.Dense"
)
_RECURRENT = (
    "lamina has no fused recurrent layers. Write the step with nd.dot and nd.tanh, and the loop in Python: "
    "it is compiled while it runs, and nd.contrib.foreach unrolls it"
)
_SPARSE = "lamina's arrays are dense. Use nd.array, and nd.Embedding or nd.take for rows that are looked up"
_QUANTIZED = "lamina has no quantized operators. Use float32, or float16 by astype"
_DETECTION = "lamina has no operators of object detection"
_GRAPHS = "lamina has no graph sampling; use DGL with another backend"
_MODULES = "lamina has no Module API. Use gluon.Block with gluon.Trainer, or lamina.MLPClassifier"
_SYMBOLS = (
    "symbols are not composed by hand here. Write a gluon.HybridBlock, or decorate a function of arrays with "
    "lamina.compile; gluon.SymbolBlock.imports reads exported files"
)
_C_LIBRARY = "it belongs to MXNet's C library, which lamina does not have"

_FILES_OF_PICTURES = (
    "lamina does not read or augment pictures' files. Read them with Pillow, make arrays by nd.array, and put them "
    "into a gluon.data.ArrayDataset; gluon.data.vision has MNIST and FashionMNIST"
)
_ITERATORS = (
    "it is part of MXNet's C library. Read the file with NumPy or lamina.table, and use mx.io.NDArrayIter; "
    "gluon.data.vision.MNIST reads MNIST's files"
)

OUTSIDE: dict[str, str] = {
    **dict.fromkeys(
        (
            "mx.nd.BilinearSampler", "mx.nd.Convolution*", "mx.nd.Correlation", "mx.nd.Crop", "mx.nd.Deconvolution",
            "mx.nd.GridGenerator", "mx.nd.LRN", "mx.nd.Pooling*", "mx.nd.ROIPooling", "mx.nd.SpatialTransformer",
            "mx.nd.UpSampling", "mx.nd.col2im", "mx.nd.im2col", "mx.nd.contrib.AdaptiveAvgPooling2D",
            "mx.nd.contrib.BilinearResize2D", "mx.nd.contrib.DeformableConvolution",
            "mx.nd.contrib.ModulatedDeformableConvolution", "mx.nd.image.resize", "mx.nd.image.random_hue",
            "mx.nd.contrib.BatchNormWithReLU", "mx.nd.contrib.SyncBatchNorm", "mx.nd.BatchNorm_v1",
        ),
        _PICTURES,
    ),
    **dict.fromkeys(("mx.nd.RNN", "mx.gluon.rnn", "mx.gluon.contrib.rnn", "mx.rnn"), _RECURRENT),
    **dict.fromkeys(
        (
            "mx.nd.sparse", "mx.nd.cast_storage", "mx.nd.contrib.SparseEmbedding", "mx.nd.contrib.getnnz",
            "mx.nd.contrib.group_adagrad_update", "mx.nd.csr_matrix", "mx.nd.row_sparse_array",
        ),
        _SPARSE,
    ),
    **dict.fromkeys(
        ("mx.nd.contrib.*quantize*", "mx.nd.contrib.calibrate_entropy"), _QUANTIZED
    ),
    **dict.fromkeys(
        (
            "mx.nd.contrib.MultiBox*", "mx.nd.contrib.*Proposal", "mx.nd.contrib.*ROI*", "mx.nd.contrib.box_*",
            "mx.nd.contrib.bipartite_matching",
        ),
        _DETECTION,
    ),
    **dict.fromkeys(("mx.nd.contrib.dgl_*", "mx.nd.contrib.edge_id"), _GRAPHS),
    **dict.fromkeys(("mx.mod", "mx.module", "mx.executor*", "mx.mon", "mx.monitor", "mx.model.FeedForward"), _MODULES),
    **dict.fromkeys(("mx.np_symbol", "mx.autograd.get_symbol"), _SYMBOLS),
    **dict.fromkeys(("mx.numpy_dispatch_protocol", "mx.numpy_op_*"), _C_LIBRARY),
    **dict.fromkeys(
        (
            "mx.npx.convolution", "mx.npx.deconvolution", "mx.npx.pooling", "mx.npx.roi_pooling", "mx.npx.multibox_*",
            "mx.npx.image",
        ),
        _PICTURES,
    ),
    "mx.npx.rnn": _RECURRENT,
    **dict.fromkeys(
        (
            "mx.rtc", "mx.library", "mx.libinfo", "mx.tvmop", "mx.th", "mx.torch", "mx.kvstore_server",
            "mx.nd.NDArray.handle",
        ),
        _C_LIBRARY,
    ),
    **dict.fromkeys(
        (
            "mx.gluon.nn.Conv*", "mx.gluon.nn.*Pool?D", "mx.gluon.nn.ReflectionPad2D", "mx.gluon.nn.conv_layers",
            "mx.gluon.contrib.cnn", "mx.gluon.contrib.nn.PixelShuffle*", "mx.gluon.model_zoo",
        ),
        _PICTURES,
    ),
    "mx.nd.CachedOp": "gluon.SymbolBlock(symbol, inputs) computes a symbol, and lamina.compile any function of arrays",
    "mx.gluon.contrib.nn.SyncBatchNorm": "arrays are on one machine: use gluon.nn.BatchNorm",
    **dict.fromkeys(
        (
            "mx.gluon.data.vision.CIFAR*", "mx.gluon.data.vision.Image*", "mx.gluon.data.RecordFileDataset",
            "mx.gluon.data.vision.transforms.*",
        ),
        _FILES_OF_PICTURES,
    ),
    **dict.fromkeys(
        ("mx.io.Image*", "mx.io.MXDataIter", "mx.io.LibSVMIter", "mx.io.CSVIter", "mx.io.MNISTIter"), _ITERATORS
    ),
    **dict.fromkeys(
        ("mx.operator.PythonOp", "mx.operator.NumpyOp", "mx.operator.NDArrayOp"),
        "MXNet itself deprecated it. Use autograd.Function, or mx.operator.CustomOp",
    ),
    "mx.gluon.contrib.estimator": "write the loop, or use lamina.MLPClassifier and lamina.MLPRegressor",
    "mx.gluon.utils.download": "lamina does not download files. lamina.datasets has pictures, and pooch fetches others",
    "mx.optimizer.LBSGD": "use optimizer.LARS, with a schedule from mx.lr_scheduler for its warm-up",
    "mx.optimizer.contrib": "use gluon.Trainer with an optimizer of lamina.optimizer",
    "mx.init.Bilinear": _PICTURES,
    "mx.initializer.Bilinear": _PICTURES,
    **dict.fromkeys(("mx.init*.LSTMBias", "mx.init*.FusedRNN"), _RECURRENT),
    **dict.fromkeys(("mx.kv*.KVStoreServer", "mx.kv*.kvstore_server"), _C_LIBRARY),
    **dict.fromkeys(
        ("mx.test_utils.check_consistency", "mx.test_utils.check_speed", "mx.test_utils.np_symbol"),
        "lamina has no executors. Compare with NumPy by assert_almost_equal, or use check_symbolic_forward and "
        "check_numeric_gradient",
    ),
    "mx.visualization.plot_network": "lamina draws no symbols. Use print_summary, or export_onnx and a viewer",
    **dict.fromkeys(
        ("mx.nd.contrib.fft", "mx.nd.contrib.ifft"), "MXNet has it on GPUs alone. Use NumPy's fft (x.asnumpy())"
    ),
    "mx.profiler": "use Python's profilers, or LAMINA_DEBUG, which tells what was compiled",
    "mx.contrib": "the supported part is in mx.nd.contrib and mx.gluon",
    "mx.test_utils.*sparse*": _SPARSE,
    "mx.recordio": "lamina does not read RecordIO. Use gluon.data.ArrayDataset, or gluon.data.vision for pictures",
    "mx.onnx": "use lamina.export_onnx and lamina.import_onnx",
    "mx.image": "lamina does not read or augment pictures' files. Read them with Pillow and make arrays by nd.array",
    "mx.img": "lamina does not read or augment pictures' files. Read them with Pillow and make arrays by nd.array",
    "mx.nd.imdecode": "lamina does not decode pictures. Read them with Pillow and make arrays by nd.array",
}  # fmt: skip
"""Error messages by full name of a feature, or by pattern."""


def no_attribute(module: str, name: str) -> Exception:
    """The error for a name that a module lacks, for the module's ``__getattr__`` to raise.

    For features of MXNet that lamina excludes, the error is an `OutsideError`, a subclass of `AttributeError`. For a
    name of another library the message names lamina's equivalent, for a misspelled name the most similar name. In
    ``from module import name`` the error is an `ImportError`, since Python would drop the message of any other error.

    >>> raise no_attribute("lamina.nd", "Convolution")
    Traceback (most recent call last):
    lamina.errors.OutsideError: mx.nd.Convolution: lamina has no convolutions, pooling or other image operators...
    """
    path = f"mx{module.removeprefix('lamina')}.{name}"
    why = OUTSIDE.get(path) or next((s for p, s in OUTSIDE.items() if fnmatchcase(path, p)), None)
    imported = sys._getframe(2).f_globals.get("__name__") == "importlib._bootstrap"
    if why is None and (instead := of_module(module, name)):
        said = f"module {module!r} has no attribute {name!r}. {instead}"
        return ImportError(said, name=module) if imported else suggesting(said, name)
    if why is None:
        near = "" if name.startswith("_") else closest(name, _public_names(import_module(module)))
        said = f"module {module!r} has no attribute {name!r}"
        return suggesting(f"{said}.{near}", name) if near else AttributeError(said)
    return ImportError(f"{path}: {why}.", name=module) if imported else OutsideError(f"{path}: {why}.")


def names_of_others(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module that has all of its names: it raises the error of `no_attribute`."""

    def __getattr__(name: str) -> Any:  # noqa: N807
        raise no_attribute(module, name)

    return __getattr__


def _public_names(module: ModuleType) -> set[str]:
    """A module's public names, from its ``__all__`` and its ``__dir__``."""
    listed = vars(module).get("__dir__")
    return {*module.__all__, *(listed() if listed else ())}
