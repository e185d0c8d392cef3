"""Metrics: figures of merit, accumulated batch by batch, under MXNet's names."""

from lamina.metric.base import CompositeEvalMetric, CustomMetric, EvalMetric, create, np, register
from lamina.metric.classification import F1, MCC, Accuracy, TopKAccuracy
from lamina.metric.probabilistic import CrossEntropy, Loss, NegativeLogLikelihood, Perplexity
from lamina.metric.regression import MAE, MSE, RMSE, PearsonCorrelation

__all__ = [
    "F1", "MAE", "MCC", "MSE", "RMSE", "Accuracy", "CompositeEvalMetric", "CrossEntropy", "CustomMetric",
    "EvalMetric", "Loss", "NegativeLogLikelihood", "PearsonCorrelation", "Perplexity", "TopKAccuracy",
    "create", "np", "register",
]  # fmt: skip
