"""Evaluation metrics under MXNet's names, accumulated batch by batch."""
# ruff: noqa: F403, F405

from lamina.gluon.metric.base import *
from lamina.gluon.metric.measures import *
from lamina.support.unsupported import names_of_others

__all__ = [  # mypy reads a list of literals alone
    "F1", "MAE", "MCC", "MSE", "PCC", "RMSE", "Accuracy", "Caffe", "CompositeEvalMetric", "CrossEntropy",
    "CustomMetric", "EvalMetric", "Loss", "NegativeLogLikelihood", "PearsonCorrelation", "Perplexity", "TopKAccuracy",
    "Torch", "alias", "check_label_shapes", "create", "np", "register",
]  # fmt: skip


__getattr__ = names_of_others("lamina.metric", {"ndarray": "lamina"})
