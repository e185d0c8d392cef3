"""`gluon`, metrics, iterators, optimizers, schedules, initializers, stores, callbacks, models, own operators."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMESPACES = (
    "mx.gluon", "mx.gluon.Block", "mx.gluon.HybridBlock", "mx.gluon.SymbolBlock", "mx.gluon.Parameter",
    "mx.gluon.Constant", "mx.gluon.ParameterDict", "mx.gluon.Trainer", "mx.gluon.nn", "mx.gluon.loss", "mx.gluon.utils",
    "mx.gluon.data", "mx.gluon.data.DataLoader", "mx.gluon.data.Dataset", "mx.gluon.data.ArrayDataset",
    "mx.gluon.data.vision", "mx.gluon.data.vision.transforms", "mx.gluon.contrib", "mx.metric", "mx.metric.EvalMetric",
    "mx.metric.CompositeEvalMetric", "mx.io",
    "mx.io.NDArrayIter", "mx.io.DataIter", "mx.io.DataBatch", "mx.io.DataDesc",
    "mx.io.ResizeIter", "mx.io.PrefetchingIter", "mx.optimizer", "mx.optimizer.Optimizer", "mx.lr_scheduler",
    "mx.initializer", "mx.init", "mx.kv", "mx.kvstore", "mx.kvstore.KVStore", "mx.callback", "mx.model", "mx.operator",
    "mx.operator.CustomOp", "mx.operator.CustomOpProp", "mx.symbol.Symbol",
)  # fmt: skip


def prepare(mx: Any) -> dict[str, Any]:
    """Arrays that the calls may use, made anew for each."""
    array = mx.nd.array
    return {
        "A": array(np.arange(12).reshape(3, 4) / 4 - 1),
        "gluon": mx.gluon,
        "nn": mx.gluon.nn,
    }


CALLS = """
"""

PROGRAMS: list[Any] = []

SETTLED: dict[str, str] = {}
