"""Evaluation metrics under MXNet's names, accumulated batch by batch."""

from lamina.gluon.metric.base import (
    CompositeEvalMetric,
    CustomMetric,
    EvalMetric,
    alias,
    check_label_shapes,
    create,
    np,
    register,
)
from lamina.gluon.metric.classification import F1, MCC, PCC, Accuracy, TopKAccuracy
from lamina.gluon.metric.probabilistic import (
    Caffe,
    CrossEntropy,
    Loss,
    NegativeLogLikelihood,
    Perplexity,
    Torch,
)
from lamina.gluon.metric.regression import MAE, MSE, RMSE, PearsonCorrelation
from lamina.support.unsupported import names_of_others

__all__ = [
    "F1", "MAE", "MCC", "MSE", "PCC", "RMSE", "Accuracy", "Caffe", "CompositeEvalMetric", "CrossEntropy",
    "CustomMetric", "EvalMetric", "Loss", "NegativeLogLikelihood", "PearsonCorrelation", "Perplexity", "TopKAccuracy",
    "Torch", "alias", "check_label_shapes", "create", "np", "register",
]  # fmt: skip


__getattr__ = names_of_others("lamina.metric")
