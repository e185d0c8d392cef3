"""scikit-learn's multilayer perceptrons, but faster: change ``sklearn.neural_network`` to ``lamina.neural_network``.

The classes inherit from those of the installed scikit-learn, but train by compiled steps. Parameters, attributes and
messages are the same, and so is the network for the same ``random_state`` (docs/from-scikit-learn.md).
"""

from lamina.support.extras import require

require("lamina.neural_network", "scikit-learn")

from lamina.estimators.neural_network.estimators import MLPClassifier, MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor"]
