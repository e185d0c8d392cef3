"""Estimators as scikit-learn transformers that return the last hidden layers' activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from lamina.estimators._learned import Learned
from lamina.estimators._outputs import hidden_of


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Learned, BaseEstimator):
    """A base class that makes an estimator a scikit-learn transformer."""

    def transform(self, X: Any) -> np.ndarray:
        """The last hidden layer's activations, (rows, features), float32: the network's representation of each row.

        All members' activations are concatenated, in order. Without hidden layers, the features are the encoded
        row with its embeddings. `get_feature_names_out` returns the features' names; `set_output` selects data frames.

        >>> import numpy as np
        >>> from lamina import MLPClassifier
        >>> X = np.linspace(0, 1, 40, dtype=np.float32).reshape(-1, 1)
        >>> settings = {"hidden_layer_sizes": (16, 4), "members": 2, "max_iter": 2, "random_state": 0}
        >>> model = MLPClassifier(preset="fast", **settings).fit(X, X[:, 0] > 0.5)
        >>> model.transform(X).shape, model.get_feature_names_out()[-1]
        ((40, 8), 'mlpclassifier7')
        """
        return self._computed(X, hidden_of)

    @property
    def _n_features_out(self) -> int:
        return sum(widths[-2] for widths in self._fitted().network.widths)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
