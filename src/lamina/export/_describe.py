"""Conversion of a trained model to a `Prediction`; no other export module reads models' internals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import LaminaError
from lamina.export._prediction import Column, Composite, Prediction, Table
from lamina.table import types

if TYPE_CHECKING:
    from lamina.estimators.fitted import FittedModel
    from lamina.estimators.network import Ensemble
    from lamina.table.encode import TableEncoder


def describe(model: Any) -> Prediction:
    """Convert a model to a `Prediction`, from which every exporter works.

    Args:
        model: a fitted `lamina.MLPClassifier` or `lamina.MLPRegressor`; the folder or model file of a run on
            a table or on MNIST; or a file written by `lamina.save`.

    Raises:
        LaminaError: the estimator is not fitted, or `model` is none of these.
        DataError: the folder is not a run, or its model is damaged.

    >>> import numpy as np
    >>> from lamina import MLPRegressor
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> prediction = describe(MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, X.ravel()))
    >>> [column.name for column in prediction.inputs.columns], prediction.output.flat
    (['x0'], True)
    """
    if isinstance(model, str | os.PathLike):
        return _of_path(Path(model))
    fitted = getattr(model, "fitted_", None)
    if fitted is None:
        if hasattr(model, "fit"):
            raise LaminaError(
                f"this {type(model).__name__} is not fitted yet, so it can't predict; call fit first"
            )
        raise LaminaError(
            f"a {type(model).__name__} cannot be exported; give a fitted MLPClassifier or MLPRegressor, a run's "
            "folder, or for ONNX a Gluon block"
        )
    return _of_fitted(fitted)


# --- runs --------------------------------------------------------------------------------------------------------


def _of_path(path: Path) -> Prediction:
    from lamina.runs.run_folder import open_model

    model, details = open_model(path)
    results = details["results"]
    if results is None:
        return _of_fitted(model.fitted, metrics=details.get("measured"))
    known = {name: value for name, value in results["metrics"]["lamina"].items() if value is not None}
    importance = {one["column"]: one["mean"] for one in results["importance"]}
    return _of_fitted(model.fitted, model.target.name, known, importance)


# --- estimators --------------------------------------------------------------------------------------------------


def _of_fitted(
    fitted: FittedModel[Any],
    target: str = "",
    metrics: Mapping[str, float] | None = None,
    importance: Mapping[str, float] | None = None,
) -> Prediction:
    from lamina import __version__
    from lamina.estimators.saved_network import BlockNetwork

    schema = fitted.encoder.schema
    target = target or (schema.target.name if schema.target else "")
    if isinstance(fitted.network, BlockNetwork):
        if not schema.row_form.whole:
            raise LaminaError(
                "this file contains a Gluon network; load it in Python by lamina.load, and export it by "
                "lamina.export_onnx or lamina.export_library"
            )
        network, inputs = fitted.network.block, Table((), len(schema.columns), schema.named, fitted.encoder)
    else:
        network = fitted.network.copy()
        inputs = _table(fitted.encoder, network)
    facts = __version__, target, metrics or {}, importance or {}
    return Prediction(inputs, network, fitted.target, *facts)


def _table(encoder: TableEncoder, network: Ensemble) -> Table:
    """The columns of an encoder for a `Prediction`; a composite column is represented by its parts."""
    schema, inputs = encoder.schema, _inputs(encoder, network)
    columns: list[Column] = []
    composites: list[Composite] = []
    for position, column in enumerate(schema.columns):
        if not isinstance(column.type, types.Composite):
            columns += [replace(inputs[column.name], position=position)] if column.used else []
            continue
        own = [(i, inputs[part.name]) for i, part in enumerate(column.parts) if part.used]
        read = own[:1] if column.type.derives else own
        places = tuple(range(len(columns), len(columns) + len(read)))
        columns += [replace(part, position=position) for _, part in read]
        derived = own[len(read) :]
        names, of_derived = tuple(part.name for _, part in derived), tuple(i - 1 for i, _ in derived)
        composites.append(Composite(column, position, places, names, of_derived))
    return Table(tuple(columns), len(schema.columns), schema.named, encoder, tuple(composites))


def _inputs(encoder: TableEncoder, network: Ensemble) -> dict[str, Column]:
    settings, arrays = encoder.state()
    parts = [member.architecture for member in network.members]
    rough = {j for one in parts for j, flag in enumerate(one.rough) if flag}
    exact = {j for one in parts for j, flag in enumerate(one.exact) if flag}
    found = {column.name: Column(column) for column in encoder.schema.nominals}
    scalings = zip(arrays["center"], arrays["factor"], arrays["fill"], strict=False)
    for i, (column, scaling) in enumerate(zip(encoder.schema.quantities, scalings, strict=False)):
        clips = settings["smooth_clip"] and column.name not in encoder.unclipped
        learned = {"rough": i in rough, "exact": i in exact}
        found[column.name] = Column(column, 0, *map(float, scaling), clips=clips, **learned)
    return found
