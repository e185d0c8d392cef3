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
NOT_FOR_USERS = {"dev", "docs"}


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


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor", "load", "save"])
def test_estimators_without_scikit_learn(name):
    import subprocess

    program = (
        "import sys; sys.modules['sklearn'] = None; import lamina; from lamina.errors import *\n"
        f"try: lamina.{name}\n"
        "except MissingPackageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "needs scikit-learn" in done.stdout and "pip install 'lamina[sklearn]'" in done.stdout


@pytest.mark.parametrize("absent", ["sklearn", "polars"])
def test_commands_on_tables_say_in_one_line_what_to_install(monkeypatch, tmp_path, capsys, absent):
    from lamina.cli import main

    extra = {"sklearn": "sklearn", "polars": "table"}[absent]
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
