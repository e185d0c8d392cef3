"""Export of trained models as ONNX files, `export_onnx`."""

from __future__ import annotations

import os
from typing import Any

from lamina.errors import LaminaError
from lamina.export._describe import describe
from lamina.export._prediction import Prediction
from lamina.export.warnings import warn_of_texts
from lamina.support.extras import require


def export_onnx(model: Any, path: str | os.PathLike[str], *, inputs: Any = None) -> None:
    """Write a network, an estimator or a run as an ONNX file, atomically.

    The model takes any number of rows. The format is ONNX 1.12 (opset 17), for ONNX Runtime from 1.12 on. The
    metadata contain lamina's version; for estimators and runs also the columns, the classes, the target and,
    if measured, the metrics.

    * For a table with names, each column is an input of that name, (rows, 1). Texts are strings; empty strings, and
      strings unknown in training, count as missing. Numbers and booleans are float64 (float32 if they were
      in training); NaN is missing. A table without names is one input ``X``, (rows, columns). ONNX can't parse prose,
      lists, money or dates in texts: a warning names such columns, and the input that the file takes instead.
    * A classifier's outputs are ``label``, (rows,): int64 or strings; and ``probabilities``, (rows, classes), float32.
      With several labels per row, ``label`` is (rows, labels). A regressor's output is ``variable``, (rows, targets),
      float64, in the target's units. skl2onnx has the same names; if a column has one of them, the output is called
      ``output_label``, ``output_probability`` or ``output_variable``.
    * A Gluon block has inputs named like the arguments of its `forward`, and the output ``output``; several outputs are
      ``output0``, ``output1``, …

    Args:
        model: a Gluon block; a fitted `MLPClassifier` or `MLPRegressor`; a run's folder, or a file of `lamina.save`.
        path: the file to write.
        inputs: for a block, an example input, or a list of several, with rows along the first axis; the file takes any
            number of rows of the same dtypes and sizes. None: a matrix for the first `Dense` layer.

    Raises:
        LaminaError: an operator has no ONNX form (the message names it and its layer); the estimator
            is not fitted; or `model` is none of these.
        TraceError: the block branches on array values.
        DataError: the folder is not a run, or its model is damaged.
        MissingPackageError: onnx is not installed.
        OSError: the file cannot be written.

    >>> import tempfile, lamina
    >>> from lamina.gluon import nn
    >>> net = nn.HybridSequential(nn.Dense(8, activation="relu", in_units=4), nn.Dense(3, in_units=8))
    >>> net.initialize()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lamina.export_onnx(net, f"{folder}/net.onnx")
    ...     os.listdir(folder)
    ['net.onnx']
    """
    require("writing ONNX", "onnx")
    from lamina.export._onnx_graph import write_model
    from lamina.gluon.block import Block

    if isinstance(model, Block):
        from lamina.export._onnx_model import block_model

        write_model(block_model(model, inputs), path)
        return
    if inputs is not None:
        raise LaminaError(
            f"inputs={type(inputs).__name__}: only a Gluon block needs an example of its inputs; omit inputs for a "
            f"{type(model).__name__}"
        )
    write_onnx(describe(model), path)


def write_onnx(prediction: Prediction, path: str | os.PathLike[str]) -> None:
    """Write a prediction as an ONNX file.

    Raises:
        LaminaError: the file would be larger than ONNX allows.
        OSError: the file cannot be written.
    """
    from lamina.export._onnx_graph import write_model
    from lamina.export._onnx_model import onnx_model

    warn_of_texts(prediction, "an ONNX file")
    write_model(onnx_model(prediction), path)
