"""scikit-learn's multilayer perceptrons, but faster: change ``sklearn.neural_network`` to ``lamina.neural_network``.

They are the installed scikit-learn's classes, trained by compiled steps: the same
parameters, attributes, messages and, for the same ``random_state``, the same network (docs/from-scikit-learn.md).
"""

from lamina.support.extras import require

require("lamina.neural_network", "scikit-learn")

from lamina.estimators.neural_network.estimators import MLPClassifier, MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor"]
