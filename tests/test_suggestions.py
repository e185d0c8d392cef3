"""What is said of names that lamina does not have: other libraries', and misspelled ones."""

import importlib
import subprocess
import sys

import pytest

import lamina
from lamina import gluon, nd
from lamina.messages import closest

FROM_ELSEWHERE = {
    "lamina": ["amp", "half", "jacobian", "ReduceLROnPlateau"],
    "lamina.nd": ["functional"],
    "lamina.autograd": ["jacobian", "functional"],
    "lamina.gluon.data": ["random_split"],
    "lamina.gluon.nn": ["LSTM", "GRU", "MultiheadAttention", "functional"],
    "lamina.lr_scheduler": ["OneCycleLR", "StepLR", "ReduceLROnPlateau"],
    "lamina.optimizer": ["OneCycleLR"],
    "lamina.callback": ["EarlyStopping", "ModelCheckpoint"],
}


@pytest.mark.parametrize(
    ("module", "name"), [(m, name) for m, names in FROM_ELSEWHERE.items() for name in names]
)
def test_names_of_others_have_an_answer(module, name):
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'\. [A-Z].{{20}}") as caught:
        getattr(importlib.import_module(module), name)
    assert "Did you mean" not in str(caught.value)


def test_loaders_arguments():
    data = gluon.data.ArrayDataset([1, 2])
    with pytest.raises(
        TypeError, match=r"no argument 'persistent_workers'\. Here it is called 'auto_reload'"
    ):
        gluon.data.DataLoader(data, batch_size=1, persistent_workers=True)


@pytest.mark.parametrize(
    "module",
    ["lamina", "lamina.nd", "lamina.callback", "lamina.gluon", "lamina.autograd", "lamina.optimizer"],
)
@pytest.mark.parametrize(
    "private", ["Mappin", "Anyy", "import_modul", "no_attribut", "TYPE_CHECKIN", "annotation"]
)
def test_only_public_names_are_proposed(module, private):
    imported = importlib.import_module(module)
    with pytest.raises(AttributeError) as caught:
        getattr(imported, private)
    proposed = str(caught.value).partition("Did you mean '")[2].rstrip("'?")
    assert not proposed or proposed in {*imported.__all__, *dir(lamina)}


def test_what_lamina_shows_of_itself():
    assert not {"Any", "TYPE_CHECKING", "import_module", "no_attribute"} & {*dir(lamina), *dir(nd)}
    assert {"MLPClassifier", "kv", "symbol", "__version__"} <= {*dir(lamina)}
    assert all(hasattr(lamina, name) for name in dir(lamina) if name != "__annotations__")


def test_letters_in_the_wrong_order():
    assert closest("adma", ["adamax", "adamw", "adam"]) == " Did you mean 'adam'?"
    with pytest.raises(Exception, match="Did you mean 'adam'"):
        gluon.Trainer({}, "Adma")


@pytest.mark.few(1)
@pytest.mark.parametrize("program", ["lamina.nd.zeross", "lamina.nd.zeros(3).numpy"])
def test_python_proposes_nothing_besides(program):
    done = subprocess.run(
        [sys.executable, "-c", f"import lamina; {program}"], capture_output=True, text=True, check=False
    )
    assert done.stderr.count("Did you mean") + done.stderr.count("Use ") == 1, done.stderr
