"""An estimator as a transformer: the last hidden layers' activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from lamina.estimators._outputs import hidden_of

__all__ = ["Embedding"]


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The part of an estimator that is a transformer."""

    def transform(self, X: Any) -> np.ndarray:
        """The activations of the last hidden layer, (rows, features), float32: a row as the network sees it.

        Those of all members stand beside each other, the first member's first. Without hidden layers, it is the encoded
        row with its embeddings. `get_feature_names_out` names the columns; `set_output` makes frames of them.

        >>> import numpy as np
        >>> from lamina import MLPClassifier
        >>> X = np.linspace(0, 1, 40, dtype=np.float32).reshape(-1, 1)
        >>> settings = {"hidden_layer_sizes": (16, 4), "members": 2, "max_iter": 2, "random_state": 0}
        >>> model = MLPClassifier(preset="fast", **settings).fit(X, X[:, 0] > 0.5)
        >>> model.transform(X).shape, model.get_feature_names_out()[-1]
        ((40, 8), 'mlpclassifier7')
        """
        estimator: Any = self
        return estimator._computed(X, hidden_of)

    @property
    def _n_features_out(self) -> int:
        """What scikit-learn names features by."""
        estimator: Any = self
        return sum(widths[-2] for widths in estimator._fitted().network.widths)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
