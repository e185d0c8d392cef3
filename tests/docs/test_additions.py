"""docs/architecture.md's table of additions, executed: a test makes the addition in the files that the row names.

`ELSEWHERE` has the tests that make an addition in a registry, or in a copy. The others of `ADDED` are made here, all in
one copy of the source, and used in one process.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/architecture.md").read_text("utf-8").partition("## Where things are added")[2]
ROWS = [
    line.split("|")[1].strip() for line in TABLE.splitlines() if line.startswith("| a") or "| what a" in line
]

ELSEWHERE = {
    "an activation": "tests/export/page/test_tables.py::test_an_activation_of_ones_own",
    "a file format": "tests/table/formats/test_formats.py::test_a_format_added_in_one_place_is_written_and_read",
    "a type of columns": "tests/export/page/test_a_type_of_ones_own.py::test_a_run_learns_and_describes_it",
    "a target": "tests/compiler/test_target.py::test_another_target_trains_in_memory_of_its_own",
    "a setting of the estimators": "tests/estimators/test_new_setting.py::test_a_setting_is_added_in_one_file",
}
"""Tests by the beginning of the table's row."""

ADDED: dict[str, dict[str, tuple[str, str]]] = {
    "a unary operator": {
        "lamina/primitives/elementwise.py": (
            '        _unary("sin", np.sin,',
            '        _unary("cubed", lambda x: x * (x * x), lambda x, y: 3.0 * (x * x),'
            " lambda b, x: b.mul(x, b.mul(x, x))),\n",
        ),
        "lamina/nd/elementwise.py": ('sin = _unary("sin",', 'cubed = _unary("cubed", "x³.")\n'),
        "lamina/nd/_fluent.py": (
            "    from lamina.nd.elementwise import erf,",
            "    from lamina.nd.elementwise import cubed\n",
        ),
        "lamina/export/_onnx_primitives.py": (
            '    "sin": _op("Sin"),',
            '    "cubed": lambda e, x, dtype: e.add("Mul", x, e.add("Mul", x, x)),\n',
        ),
    },
    "an optimizer": {
        "lamina/optimizer/halving.py": (
            "",
            "from lamina.optimizer.optimizer import Optimizer, optimizers, write\n\n\n"
            '@optimizers.register("halving")\n'
            "class Halving(Optimizer):\n"
            "    def create_state(self, index, weight):\n"
            "        return None\n\n"
            "    def update(self, index, weight, grad, state):\n"
            "        write(weight, (), (weight * 0.5, ()))\n",
        ),
        "lamina/optimizer/__init__.py": (
            "from lamina.optimizer.momentum import",
            "from lamina.optimizer.halving import Halving\n",
        ),
    },
    "a learning-rate schedule": {
        "lamina/support/schedules.py": ('    "linear": linear,', '    "square": lambda t: (1 - t) ** 2,\n')
    },
    "a way out": {
        "lamina/export/words.py": (
            "",
            "def write_words(prediction, path):\n"
            "    path.write_text(' '.join(column.name for column in prediction.inputs.columns), 'utf-8')\n",
        ),
        "lamina/export/ways.py": (
            '    "library": Way(',
            '    "words": Way("writing words", "lamina.export.words", "write_words"),\n',
        ),
        "lamina/cli/_export.py": (
            "    target: Annotated[str",
            '    words: Annotated[Path | None, option("The names of the columns.", False)] = None,\n',
        ),
    },
    "something that `lamina inspect` looks for": {
        "lamina/table/findings/few.py": (
            "",
            "from lamina.table.findings.results import Finding\n\n\n"
            "def few_rows(rows):\n"
            "    return Finding('few', 'warning', (), f'only {rows} rows', rows) if rows < 60 else None\n",
        ),
        "lamina/table/inspection.py": (
            "        self.findings.sort(",
            "        from lamina.table.findings.few import few_rows\n"
            "        self._add(few_rows(self.table.rows))\n",
        ),
    },
}
"""For each row its files, and the text that is added before another; without the other, the file is new."""

AFTERWARDS = (
    ("lamina/cli/_export.py", '"library": library}', '"library": library, "words": words}'),
    ("lamina/nd/elementwise.py", '"cbrt",\n', '"cbrt", "cubed",\n'),
)
"""What is replaced, and by what, in files of these additions."""

PROGRAM = """
import sys
from pathlib import Path

import numpy as np
import onnxruntime

import lamina
from lamina import autograd, gluon, nd
from lamina.cli import main

assert Path(lamina.__file__).is_relative_to(sys.argv[1])


def command(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        assert not ended.code, ended.code


x = nd.array([-2.0, 0.5, 3.0])
x.attach_grad()
with autograd.record():
    y = nd.cubed(x)
y.backward()
assert x.cubed().asnumpy().tolist() == y.asnumpy().tolist() == [-8.0, 0.125, 27.0]
assert x.grad.asnumpy().tolist() == [12.0, 0.75, 27.0]
compiled = lamina.compile(lambda x: nd.exp(nd.cubed(x) * 0.1))
np.testing.assert_allclose(compiled(x).asnumpy(), np.exp(0.1 * y.asnumpy()), rtol=1e-6)


class Cubed(gluon.HybridBlock):
    def forward(self, x):
        return nd.cubed(x)


lamina.export_onnx(Cubed(), "cubed.onnx", inputs=nd.ones((2, 3)))
rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
session = onnxruntime.InferenceSession("cubed.onnx")
np.testing.assert_allclose(session.run(None, {"x": rows})[0], rows**3, rtol=1e-6)

net = gluon.nn.Dense(1, in_units=2, use_bias=False)
net.initialize()
before = net.weight.data().asnumpy()
trainer = gluon.Trainer(net.collect_params(), "halving")
with autograd.record():
    loss = net(nd.ones((1, 2)))
loss.backward()
trainer.step(1)
np.testing.assert_array_equal(net.weight.data().asnumpy(), before / 2)

X = np.random.default_rng(1).normal(size=(50, 2))
model = lamina.MLPRegressor(preset="fast", max_iter=2, learning_rate="square", random_state=0).fit(X, X[:, 0])
lamina.save(model, "model.safetensors")
command("export", "model.safetensors", "--words", "words.txt")
assert Path("words.txt").read_text() == "x0 x1"

Path("table.csv").write_text("a,b\\n" + "".join(f"{i},{i * i % 7}\\n" for i in range(50)))
command("inspect", "table.csv")
"""


def _starting(row: str) -> list[str]:
    return [one for one in ROWS if one.startswith(row)]


@pytest.mark.parametrize(("row", "test"), ELSEWHERE.items())
def test_an_addition_is_made_elsewhere(row, test):
    path, _, name = test.partition("::")
    assert len(_starting(row)) == 1
    assert re.search(rf"^def {name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", ADDED)
def test_an_addition_touches_the_files_that_its_row_names(row):
    (line,) = (line for line in TABLE.splitlines() if line.startswith(f"| {row}"))
    for file in ADDED[row]:
        assert any(f"`src/{part}`" in line for part in (file, str(Path(file).parent)))


@pytest.mark.slow
def test_additions_of_the_table_work(tmp_path):
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, copy_function=os.symlink)
    edits = [
        (file, before, new + before) for files in ADDED.values() for file, (before, new) in files.items()
    ]
    for file, before, text in (*edits, *AFTERWARDS):
        path = source / file
        content = path.read_text("utf-8") if before else ""
        assert content.count(before) == 1 or not before, (file, before)
        path.unlink(missing_ok=True)
        path.write_text(content.replace(before, text) if before else text, "utf-8")
    command = [sys.executable, "-c", PROGRAM, str(source)]
    environment = os.environ | {"PYTHONPATH": str(source), "COLUMNS": "120"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "only 50 rows" in done.stdout
