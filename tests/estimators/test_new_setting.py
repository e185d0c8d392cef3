"""A setting is added in one file, and reaches the constructor, `help`, errors, the command line, files and searches."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARATIONS, USE = "lamina/estimators/settings.py", "lamina/estimators/training.py"

DECLARED = """\
    input_noise: Annotated[Setting[float], About(
        "the standard deviation of noise that is added to encoded inputs in training.",
        0.0, fast=0.01, rule=_FROM_0, fixed="given",
        option=Option("--input-noise", "Standard deviation of noise added to inputs in training.", float),
        draw=Draw(9, lambda rng, _: round(float(rng.uniform(0, 0.1)), 3)),
    )] = OPEN
"""
USED = """\
                noise = nd.random.normal(shape=numeric.shape) * self.settings.input_noise
                losses = self._loss(self.network.forward(numeric + noise, codes, drop), target)
"""

PROGRAM = """
import inspect, json, sys
from pathlib import Path

import numpy as np

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.cli import main
from lamina.estimators.search.plan import Plan
from lamina.estimators.search.plan import suggested
from lamina.runs.run_folder import open_run

copied, root = Path(sys.argv[1]), Path(sys.argv[2])
assert Path(lamina.__file__).is_relative_to(copied)


def command(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        assert not ended.code, ended.code


for kind in (MLPClassifier, MLPRegressor):
    assert "input_noise" in inspect.signature(kind).parameters
    assert "inputs in training. Default: 0.0 (fast: 0.01)." in " ".join(inspect.getdoc(kind).split())

X = np.linspace(-1, 1, 40).reshape(-1, 1)
usual = dict(hidden_layer_sizes=4, members=1, max_iter=2, number_embedding=False, random_state=0)
for noise in (-1, "much"):
    try:
        MLPRegressor(input_noise=noise).fit(X, X[:, 0])
        raise SystemExit(f"{noise} was not refused")
    except ValueError as error:
        assert str(error) == f"input_noise must be >= 0, got {noise!r}"
quiet, loud = (MLPRegressor(**usual, input_noise=noise).fit(X, X[:, 0]) for noise in (0.0, 0.5))
assert quiet.loss_curve_ != loud.loss_curve_

lamina.save(loud, "model.safetensors")
loaded = lamina.load("model.safetensors")
assert loaded.input_noise == 0.5 and (loaded.predict(X) == loud.predict(X)).all()
earlier, _ = open_run(root / "tests/runs/files/regression")
assert earlier.estimator.input_noise is None

command("train", "--help")
Path("table.csv").write_text("x,y\\n" + "".join(f"{i % 7},{i % 7 * 1.5}\\n" for i in range(60)))
training = ("train", "table.csv", "--target", "y", "--preset", "fast", "--hidden", "4", "--epochs", "1")
command(*training, "--input-noise", "0.25", "--out", "run", "--quiet")
said = json.loads(Path("run/settings.json").read_text())
assert said["input_noise"] == said["resolved"]["input_noise"] == 0.25
model, _ = open_run(Path("run"))
assert model.estimator.input_noise == 0.25

drawn = suggested(7, 0, "classification")
print("drawn", json.dumps({name: value for name, value in drawn.items() if name != "input_noise"}))
assert 0 <= drawn["input_noise"] <= 0.1
tried = Plan(MLPRegressor(), 7, 100, 10).configuration(6)
assert tried.settings["input_noise"] == tried.estimator.input_noise
assert "input_noise" not in Plan(MLPRegressor(input_noise=0.2), 7, 100, 10).configuration(6).settings
sys.path.insert(0, str(root / "tools"))
import settings_table
assert "| `input_noise` | `0.0` | `0.01` | `0.0` | `0.0` | the standard deviation" in settings_table.table()
"""


def _added(file: Path, text: str) -> None:
    """Put a text in the place of a link to a file."""
    file.unlink()
    file.write_text(text, encoding="utf-8")


def _run(program: str, source: Path, folder: Path, *arguments: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(source), "COLUMNS": "120"}
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_setting_is_added_in_one_file(tmp_path):
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, copy_function=os.symlink)
    declarations = (source / DECLARATIONS).read_text(encoding="utf-8")
    before = "    normalization: Annotated["
    assert declarations.count(before) == 1
    _added(source / DECLARATIONS, declarations.replace(before, DECLARED + before))
    use = (source / USE).read_text(encoding="utf-8")
    line = re.compile(
        r"^ +losses = self\._loss\(self\.network\.forward\(numeric, codes, drop\), target\)\n", re.MULTILINE
    )
    assert len(line.findall(use)) == 1
    _added(source / USE, line.sub(lambda _: USED, use))

    shown = _run(PROGRAM, source, tmp_path, source, ROOT)
    assert re.search(
        r"--input-noise +<float> +Standard deviation of noise added to inputs in training", shown
    )
    others = "import json; from lamina.estimators.search.plan import suggested\n"
    others += 'print("drawn", json.dumps(suggested(7, 0, "classification")))'
    assert _run(others, ROOT / "src", tmp_path).strip() in shown  # drawn as before
