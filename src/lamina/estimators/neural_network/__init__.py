"""scikit-learn's multilayer perceptrons, but faster: import ``lamina.neural_network``, not ``sklearn.neural_network``.

The classes inherit from the installed scikit-learn's classes, but train by compiled steps. Parameters, attributes and
messages are the same, and so is the network for the same ``random_state`` (docs/from-scikit-learn.md).
"""

from lamina.support.extras import require

require("lamina.neural_network", "scikit-learn")

from lamina.estimators.neural_network.estimators import MLPClassifier, MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor"]
