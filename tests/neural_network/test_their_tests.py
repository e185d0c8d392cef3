"""scikit-learn's own tests of its networks, from the installed package, with only the import changed."""

import inspect
import types

import pytest
import sklearn.neural_network.tests.test_mlp as theirs

pytestmark = [
    pytest.mark.usefixtures("compiled"),
    # A line search between losses that differ by their rounding alone ends in this warning, and the last bits of the
    # BLAS that SciPy calls decide whether one comes to that. scikit-learn's suite lets it pass. How exact the loss is:
    # `test_lbfgs_loss.py`.
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge after .*status=2"),
]
THEIR_IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"


def _with_our_import() -> types.ModuleType:
    source = inspect.getsource(theirs)
    assert source.count(THEIR_IMPORT) == 1
    module = types.ModuleType("test_mlp")
    code = compile(
        source.replace(THEIR_IMPORT, THEIR_IMPORT.replace("sklearn", "lamina")), theirs.__file__, "exec"
    )
    exec(code, vars(module))
    return module


# Together they take most of the time of all.
SLOW = {
    "test_alpha",
    "test_early_stopping",
    "test_gradient",
    "test_lbfgs_classification",
    "test_lbfgs_classification_maxfun",
    "test_lbfgs_regression",
    "test_lbfgs_regression_maxfun",
    "test_mlp_classifier_dtypes_casting",
    "test_mlp_loading_from_joblib_partial_fit",
    "test_mlp_param_dtypes",
    "test_mlp_regressor_dtypes_casting",
    "test_mlp_warm_start_with_early_stopping",
    "test_multilabel_classification",
    "test_n_iter_no_change_inf",
    "test_partial_fit_classification",
    "test_partial_fit_regression",
}

globals().update({name: test for name, test in vars(_with_our_import()).items() if name.startswith("test_")})
for _name in SLOW:
    globals()[_name] = pytest.mark.slow(globals()[_name])


@pytest.fixture
def global_random_seed() -> int:
    """scikit-learn's fixture of that name; it runs with one seed unless told otherwise."""
    return 42
