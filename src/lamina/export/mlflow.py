"""MLflow flavour for estimators, stored as safetensors files of `lamina.save`, without a pickle.

`log_model` and `save_model` derive the signature and an input example from the training table.
`load_model` returns the estimator, ``mlflow.pyfunc.load_model`` a model that predicts data frames.
"""

# pyright: reportMissingImports=false, reportUnusedFunction=false
# MLflow calls `_load_pyfunc`; it is tested in a separate environment.

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import __version__
from lamina.errors import DataError
from lamina.estimators.persistence import load, save
from lamina.support.extras import require
from lamina.table.columns import value_name
from lamina.table.schema import ColumnSchema
from lamina.table.types import Composite, Nominal, Quantity

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo
    from mlflow.types import Schema

__all__ = ["load_model", "log_model", "save_model"]

FLAVOR = "lamina"
_FILE = "model.safetensors"
_TYPES = {"integer": "long", "float": "double", "boolean": "boolean", "date": "datetime", "text": "string"}
"""MLflow's types by `ColumnSchema.storage`; MLflow lacks times of day and durations."""


def log_model(model: Any, name: str = "model", **options: Any) -> ModelInfo:
    """Log a fitted estimator to MLflow's active run, or to a new one.

    Args:
        model: a fitted `MLPClassifier` or `MLPRegressor`.
        name: the model's name in MLflow.
        **options: those of `save_model`, and of ``mlflow.models.Model.log``: ``registered_model_name``, ``params``, ….

    Returns:
        ModelInfo: with ``model_uri``, the address of the logged model.

    Raises:
        TypeError, LaminaError: as for `lamina.save`.
        MissingPackageError: MLflow is not installed.
    """
    require("lamina.mlflow", "mlflow")
    from mlflow.models import Model

    return Model.log(None, sys.modules[__name__], name=name, model=model, **options)


def save_model(
    model: Any,
    path: str | Path,
    *,
    mlflow_model: Model | None = None,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    pyfunc_predict_fn: str = "predict",
    **options: Any,
) -> None:
    """Write a fitted estimator as an MLflow model: a folder with its safetensors file.

    Args:
        model: a fitted `MLPClassifier` or `MLPRegressor`.
        path: the folder, which must not exist yet.
        mlflow_model: MLflow's description, to which the flavour is added.
        signature: the types of inputs and outputs; by default from the training table's columns and the predictions.
        input_example: example rows; by default one row of means and most frequent values.
        pip_requirements: by default this version of lamina; give a path or URL of its wheel if no index has it.
        pyfunc_predict_fn: the method that ``pyfunc`` calls: "predict", "predict_proba", ….
        **options: of ``mlflow.pyfunc.save_model``: ``metadata``, ``extra_pip_requirements``, ….

    Raises:
        TypeError: `model` is not an estimator.
        LaminaError: the estimator is not fitted, or `lamina.save` can't write it.
        MissingPackageError: MLflow is not installed.
    """
    require("lamina.mlflow", "mlflow")
    import mlflow
    from mlflow.models import Model, ModelSignature, infer_signature

    described = Model() if mlflow_model is None else mlflow_model
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, _FILE)
        save(model, file)
        example = _example_of(model) if input_example is None else input_example
        if signature is None:
            answers = infer_signature(model_output=getattr(model, pyfunc_predict_fn)(example)).outputs
            signature = ModelSignature(_inputs_of(model), answers)
        described.add_flavor(FLAVOR, data=f"data/{_FILE}", lamina_version=__version__)
        mlflow.pyfunc.save_model(
            str(path),
            loader_module=__name__,
            data_path=str(file),
            mlflow_model=described,
            signature=signature,
            input_example=example,
            pip_requirements=pip_requirements or [f"lamina[sklearn,table]=={__version__}"],
            model_config={"method": pyfunc_predict_fn},
            **options,
        )


def load_model(model_uri: str, dst_path: str | None = None) -> Any:
    """Load the estimator written by `log_model` or `save_model`.

    Args:
        model_uri: a folder, or an MLflow URI: ``models:/…``, ``runs:/…``, ….
        dst_path: folder for downloads; by default a temporary one.

    Raises:
        DataError: the model was written with another flavour, or is damaged.
        MissingPackageError: MLflow is not installed.
    """
    require("lamina.mlflow", "mlflow")
    import mlflow
    from mlflow.models import Model

    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri, dst_path=dst_path))
    flavors = Model.load(str(folder)).flavors
    if FLAVOR not in flavors:
        raise DataError(
            f"{model_uri} has the flavors {', '.join(flavors)}, but not {FLAVOR!r}; use one of these to load it"
        )
    return load(folder / flavors[FLAVOR]["data"])


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Any:
    """Load the object that ``mlflow.pyfunc.load_model`` wraps, whose `predict` is the configured method."""
    return SimpleNamespace(predict=getattr(load(path), (model_config or {}).get("method", "predict")))


# --- the signature and the example ---------------------------------------------------------------------------------


def _inputs_of(model: Any) -> Schema:
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    table = model.fitted_.encoder.schema
    if not table.named:
        return Schema([TensorSpec(np.dtype(table.columns[0].type_name), (-1, len(table.columns)))])
    return Schema([ColSpec(_type_of(column) or AnyType(), column.name) for column in table.columns])


def _type_of(column: ColumnSchema[Any]) -> str | None:
    """The name of a column's MLflow type; None if MLflow has no such type."""
    # In pandas, integer columns with missing values have floats.
    return _TYPES.get("float" if column.storage == "integer" and column.missing else column.storage)


def _example_of(model: Any) -> np.ndarray | pd.DataFrame:
    """An example row of means and most frequent categories."""
    import pandas as pd

    table = model.fitted_.encoder.schema
    values = [_value_of(column) for column in table.columns]
    if not table.named:
        return np.array([values], table.columns[0].type_name)
    return pd.DataFrame([values], columns=[column.name for column in table.columns])


def _value_of(column: ColumnSchema[Any]) -> Any:
    """A typical value of a column: a middle number or date, or the most frequent category.

    The value is None for an ignored column.
    """
    first = column.parts[0] if column.parts else column
    if _type_of(column) == "datetime" and isinstance(first.type, Quantity):
        return np.datetime64(round(first.type.middle(first)), "D")
    if not isinstance(column.type, Quantity | Nominal | Composite):
        return None
    found = column.type.example(column)
    return value_name(found) if _type_of(column) == "string" and found is not None else found
