"""Optional packages: the table of extras agrees with pyproject, and what lacks one says what to install."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lamina.errors import MissingPackageError
from lamina.extras import EXTRAS, missing_packages, require

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
NOT_FOR_USERS = {"dev", "docs", "neighbours", "release", "test"}


def names(requirements):
    return {Requirement(text).name for text in requirements}


def test_every_optional_package_is_known_by_an_extra_that_installs_it():
    extras = {extra: names(found) for extra, found in PROJECT["optional-dependencies"].items()}
    for package, extra in EXTRAS.items():
        assert package in extras[extra]
    offered = set().union(*(found for extra, found in extras.items() if extra not in NOT_FOR_USERS))
    assert offered == set(EXTRAS)


def test_all_that_is_missing_is_named_at_once(monkeypatch):
    for module in ("sklearn", "polars"):
        monkeypatch.setitem(sys.modules, module, None)
    message = r"^cooking needs scikit-learn and polars, .*: pip install 'lamina\[sklearn,table\]'$"
    with pytest.raises(MissingPackageError, match=message):
        require("cooking", "scikit-learn", "polars", "pillow")
    require("cooking", "pillow")


RUN = Path(__file__).parent / "runs/files/regression"


def _said_without_scikit_learn(program: str) -> str:
    import subprocess

    program = (
        "import sys; sys.modules['sklearn'] = None; import lamina; from lamina.errors import *\n" + program
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "name",
    ["MLPClassifier", "MLPRegressor", f"load({str(RUN / 'model.safetensors')!r})", "estimators.ShapDisplay"],
)
def test_estimators_without_scikit_learn(name):
    said = _said_without_scikit_learn(
        f"import lamina.estimators\ntry: lamina.{name}\nexcept MissingPackageError as error: print(error)"
    )
    assert "needs scikit-learn" in said and "pip install 'lamina[sklearn]'" in said


@pytest.mark.slow
def test_networks_are_saved_and_loaded_and_tables_predicted_without_scikit_learn(tmp_path):
    said = _said_without_scikit_learn(
        "from lamina.gluon import nn\n"
        "net = nn.Dense(3)\n"
        "net.initialize()\n"
        f"file = {str(tmp_path / 'net.safetensors')!r}\n"
        "lamina.save(net, file, inputs=lamina.nd.ones((1, 4)))\n"
        "print(lamina.load(file)(lamina.nd.ones((2, 4))).shape)\n"
        "from pathlib import Path\n"
        "import polars as pl\n"
        "from lamina.runs.run_folder import open_model\n"
        f"model, _ = open_model(Path({str(RUN)!r}))\n"
        f"print(model.outputs(pl.read_csv({str(RUN.parents[2] / 'estimators/files/table.csv')!r})[:5]).shape)"
    )
    assert said.splitlines() == ["(2, 3)", "(5,)"]


@pytest.mark.parametrize("absent", ["sklearn", "polars", "jinja2"])
def test_commands_on_tables_say_in_one_line_what_to_install(monkeypatch, tmp_path, capsys, absent):
    from lamina.cli import main

    extra = "sklearn" if absent == "sklearn" else "table"
    monkeypatch.setitem(sys.modules, absent, None)
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path / "t.csv"), "--target", "y"])
    assert ended.value.code == 2
    assert re.fullmatch(rf"lamina: .* pip install 'lamina\[{extra}\]'\n", capsys.readouterr().err)


def test_packages_that_are_missing_are_a_list():
    said = str(missing_packages("serving", ["starlette", "uvicorn", "httptools"]))
    assert said.startswith("serving needs starlette, uvicorn and httptools, not installed here")
    assert str(missing_packages("serving", ["uvicorn"])).startswith("serving needs uvicorn, not")
