"""A complete prediction as a function of arrays: encoding, networks, decoding of outputs.

Every exporter works from the function's traced graph, which contains the trained networks. Strings and dates, which a
graph can't process, are converted to codes and numbers by the exporters' readers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import nd
from lamina.errors import LaminaError
from lamina.export._prediction import Prediction
from lamina.nd.ndarray import NDArray

if TYPE_CHECKING:
    from lamina.gluon.block import Block


def prediction_of(prediction: Prediction, precision: Any = np.float64) -> Callable[..., list[NDArray]]:
    """Convert a prediction to a function of arrays, from encoding to decoded outputs.

    For a table, the function takes two arrays:

    * ``numbers``, (rows, `Table.numbers`), with NaN for missing values: float64, or float32 (also for the encoding) if
      every column of the training table was float32.
    * ``codes``, int32 (rows, categories), where 0 is missing or unknown and 1, 2, … are a category's names in order.

    Without numbers, or without categories, the array has no columns. For rows that are arrays, the function takes
    these, such as an image's pixels, uint8 (rows, height · width).

    The function returns a list of arrays:

    * for classes, the probabilities, (rows, classes), of dtype `precision`, and the position of the predicted class,
      int64 (rows,);
    * for multilabel targets, the probability of each label, and whether it is predicted, int64 (rows, labels);
    * for numbers, the target, float64 (rows, targets).

    >>> import lamina
    >>> from lamina import nd
    >>> from lamina.export import describe
    >>> X, y = np.linspace(0, 1, 50).reshape(-1, 1), np.repeat([0, 1], 25)
    >>> model = lamina.MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(X, y)
    >>> predict = prediction_of(describe(model))
    >>> probabilities, decided = predict(nd.array(X, dtype="float64"), nd.zeros((50, 0), dtype="int32"))
    >>> np.allclose(probabilities.asnumpy(), model.predict_proba(X), rtol=1e-5)
    True
    """
    network, meaning = prediction.network, prediction.output.traced
    encoded: Callable[..., Any] = prediction.inputs.encoded
    return lambda *arrays: meaning(network(*encoded(*arrays)), precision)


# --- the inputs of bare networks ----------------------------------------------------------------------------------


def examples_of(block: Block, inputs: Any, call: str) -> list[NDArray]:
    """Convert example inputs, one or a list, to arrays; None becomes a row of zeros for the first dense layer.

    `call` is the caller's name, for messages.

    Raises:
        LaminaError: `inputs` is None, and the block has no dense layer.
    """
    given = [_first_input(block, call)] if inputs is None else inputs
    given = given if isinstance(given, list | tuple) else [given]
    return [
        x if isinstance(x, NDArray) else nd.array(np.asarray(x), dtype=np.asarray(x).dtype) for x in given
    ]


def _first_input(block: Block, call: str) -> NDArray:
    for parameter in block.collect_params().values():
        shape = parameter.shape
        if parameter.name.endswith("weight") and shape and len(shape) == 2 and shape[1] > 0:
            return nd.zeros((1, shape[1]), dtype=parameter.dtype)
    raise LaminaError(
        f"{block.name}: the shape of its inputs is unknown; give an example array, whose first axis is rows: "
        f"{call}(net, path, inputs=nd.zeros((1, 784)))"
    )
