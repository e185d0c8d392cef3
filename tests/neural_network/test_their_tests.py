"""scikit-learn's own tests of its networks, from the installed package, with only the import changed."""

import inspect
import types

import pytest
import sklearn.neural_network.tests.test_mlp as theirs

pytestmark = pytest.mark.usefixtures("compiled")
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


globals().update({name: test for name, test in vars(_with_our_import()).items() if name.startswith("test_")})


@pytest.fixture
def global_random_seed() -> int:
    """scikit-learn's fixture of that name; it runs with one seed unless told otherwise."""
    return 42
