"""Additions to lamina, one for each kind in docs/architecture.md's table "Where things are added".

`ADDED` has for each row the files that the row names, with the text that is added before another; without the other,
the file is new. `used` is a program that uses the addition, and fails without it.
"""

from __future__ import annotations

from typing import NamedTuple


class Addition(NamedTuple):
    """An addition of a row: for each file pairs of a text in it and the text added before, and a program."""

    files: dict[str, list[tuple[str, str]]]
    used: str


ELSEWHERE = {
    "an activation": "tests/export/page/test_tables.py::test_an_activation_of_ones_own",
    "a file format": "tests/table/formats/test_formats.py::test_a_format_added_in_one_place_is_written_and_read",
    "a type of columns": "tests/export/page/test_a_type_of_ones_own.py::test_a_run_learns_and_describes_it",
    "a target": "tests/compiler/test_target.py::test_another_target_trains_in_memory_of_its_own",
    "a setting of the estimators": "tests/estimators/test_new_setting.py::test_a_setting_is_added_in_one_file",
    "an observer of training": "tests/estimators/test_progress.py"
    "::test_an_observer_among_the_callbacks_sees_the_training",
    "an observer of a search": "tests/estimators/search/test_search.py::test_observers_see_everything_in_order",
}
"""Tests that make a row's addition in a registry or in a copy, by the beginning of the row."""

ADDED: dict[str, Addition] = {}

# --- operators and what is trained with them --------------------------------------------------------------------------

ADDED["a unary operator"] = Addition(
    {
        "src/lamina/primitives/elementwise.py": [
            (
                '        _unary("sin", np.sin,',
                '        _unary("cubed", lambda x: x * (x * x), lambda x, y: 3.0 * (x * x),'
                " lambda b, x: b.mul(x, b.mul(x, x))),\n",
            )
        ],
        "src/lamina/nd/elementwise.py": [
            ('sin = _unary("sin",', 'cubed = _unary("cubed", "x³.")\n'),
            ('"degrees",\n', '"cubed", '),
        ],
        "src/lamina/nd/_fluent.py": [
            (
                "    from lamina.nd.elementwise import erf,",
                "    from lamina.nd.elementwise import cubed\n",
            )
        ],
        "src/lamina/export/_onnx_primitives.py": [
            (
                '    "expm1": lambda e, x, dtype',
                '    "cubed": lambda e, x, dtype: e.add("Mul", x, e.add("Mul", x, x)),\n',
            )
        ],
    },
    """
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
""",
)

ADDED["an optimizer"] = Addition(
    {
        "src/lamina/optimizer/halving.py": [
            (
                "",
                """
from lamina.optimizer.optimizer import Optimizer, optimizers, write


@optimizers.register("halving")
class Halving(Optimizer):
    def create_state(self, index, weight):
        return None

    def update(self, index, weight, grad, state):
        write(weight, (), (weight * 0.5, ()))
""",
            )
        ],
        "src/lamina/optimizer/__init__.py": [
            (
                "from lamina.optimizer.momentum import",
                "from lamina.optimizer.halving import Halving\n",
            )
        ],
        "src/lamina/estimators/_solvers.py": [
            (
                "SOLVERS = {",
                """
def _halved(weight, gradient, state, *, rate):
    return weight * 0.5, state


""",
            ),
            (
                '    "muon": Solver(\n',
                '    "halving": Solver("halves weights", 1, lambda settings, steps: _halved),\n',
            ),
        ],
    },
    """
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
settings = dict(preset="fast", max_iter=3, members=1, random_state=0)
model = lamina.MLPRegressor(**settings, solver="halving").fit(X, np.abs(X[:, 0]))
assert model.loss_curve_ != lamina.MLPRegressor(**settings).fit(X, np.abs(X[:, 0])).loss_curve_
""",
)

ADDED["a learning-rate schedule"] = Addition(
    {
        "src/lamina/support/schedules.py": [
            ('    "linear": linear,', '    "square": lambda t: (1 - t) ** 2,\n')
        ],
        "src/lamina/optimizer/lr_scheduler.py": [
            ('"PolyScheduler"]', '"SquareScheduler", '),
            (
                '__getattr__ = names_of_others("lamina.lr_scheduler")',
                """
class SquareScheduler(_Decay):
    def _remaining(self, passed):
        return (1 - passed) ** 2


""",
            ),
        ],
    },
    """
X = np.random.default_rng(1).normal(size=(50, 2))
settings = dict(preset="fast", max_iter=3, random_state=0)
one, other = (lamina.MLPRegressor(**settings, learning_rate=name).fit(X, X[:, 0]) for name in ("square", "linear"))
assert one.loss_curve_ != other.loss_curve_
from lamina.optimizer.lr_scheduler import SquareScheduler

schedule = SquareScheduler(max_update=10, base_lr=1.0)
assert [schedule(step) for step in (0, 5, 10)] == [1.0, 0.25, 0.0]
""",
)

# --- the compiler, and devices ----------------------------------------------------------------------------------------

ADDED["a pass for every target"] = Addition(
    {
        "src/lamina/compiler/passes/negations.py": [
            (
                "",
                """
def without_double_negations(graph):
    def better(node, inputs):
        if node.is_op("negative") and inputs[0].is_op("negative"):
            return inputs[0].inputs[0]
        return node.with_inputs(inputs)

    return graph.rewritten(better)
""",
            )
        ],
        "src/lamina/compiler/program.py": [
            (
                "from lamina.compiler.passes.plan import",
                "from lamina.compiler.passes.negations import without_double_negations\n",
            ),
            ("*target.passes, separate_roots", "without_double_negations, "),
        ],
    },
    """
for context in (lamina.cpu(), lamina.gpu(0)):
    compiled = lamina.compile(lambda x: nd.negative(nd.negative(x)) - 1)
    assert compiled(nd.array([1.0, 2.0], ctx=context)).asnumpy().tolist() == [0.0, 1.0]
    assert "negative" not in compiled.explain()
""",
)

ADDED["a pass for one target"] = Addition(
    {
        "src/lamina/compiler/cpu/_doubling.py": [
            (
                "",
                """
from lamina.compiler.passes.graph import Node
from lamina.compiler.passes.simplify import constant_value
from lamina.core.primitive import REGISTRY


def add_doubles(graph):
    def better(node, inputs):
        if node.is_op("multiply") and constant_value(inputs[1]) == 2 and inputs[0].shape == node.shape:
            return Node(REGISTRY["add"], (inputs[0], inputs[0]), {}, node.shape, node.dtype)
        return node.with_inputs(inputs)

    return graph.rewritten(better)
""",
            )
        ],
        "src/lamina/compiler/cpu/target.py": [
            (
                "from lamina.compiler.cpu._hold_transposed import",
                "from lamina.compiler.cpu._doubling import add_doubles\n",
            ),
            ("scale_products, hold_transposed, lay_out_products)", "add_doubles, "),
        ],
    },
    """
for context in (lamina.cpu(), lamina.gpu(0)):
    compiled = lamina.compile(lambda x: x * 2)
    assert compiled(nd.array([1.0, 3.0], ctx=context)).asnumpy().tolist() == [2.0, 6.0]
    assert ("* 2" in compiled.explain()) == (context.device_type == "gpu")
""",
)

ADDED["a kind of device"] = Addition(
    {
        "src/lamina/device/pretended.py": [
            (
                "",
                """
from gpu_emulator.device import Emulator


class Pretended(Emulator):
    kind = "pretended"
    dialect = "pretending"
""",
            )
        ],
        "src/lamina/device/choice.py": [
            (
                "_KINDS: dict[str, Callable",
                """
def _look_for_pretended(search, *, all_kinds):
    from lamina.device.pretended import Pretended

    search.found.append(Found("pretended", "a pretended GPU", Pretended, True))


""",
            ),
            ('"opencl": _look_for_opencl}', '"pretended": _look_for_pretended, '),
        ],
        "src/lamina/compiler/gpu/_pretending.py": [
            (
                "",
                """
from gpu_emulator.host import Host


class Pretending(Host):
    def assembly(self, ir):
        return f"; for a pretended GPU\\n{ir}"
""",
            )
        ],
        "src/lamina/compiler/gpu/target.py": [
            (
                "DIALECTS: dict[str, Callable",
                """
def _pretending(_):
    from lamina.compiler.gpu._pretending import Pretending

    return Pretending()


""",
            ),
            ('    "spirv": lambda _: SPIRV(),', '    "pretending": _pretending,\n'),
        ],
    },
    """
assert lamina.num_gpus() == 1
x = nd.arange(2000, ctx=lamina.gpu(0)).reshape((40, 50))
compiled = lamina.compile(lambda x: nd.dot(nd.tanh(x / 1000), x.T))
numbers = np.arange(2000, dtype=np.float32).reshape(40, 50)
np.testing.assert_allclose(compiled(x).asnumpy(), np.tanh(numbers / 1000) @ numbers.T, rtol=1e-4)
""",
)

# --- what is made of models -------------------------------------------------------------------------------------------

ADDED["a way out"] = Addition(
    {
        "src/lamina/export/words.py": [
            (
                "",
                """
def write_words(prediction, path):
    path.write_text(' '.join(column.name for column in prediction.inputs.columns), 'utf-8')
""",
            )
        ],
        "src/lamina/export/ways.py": [
            (
                '    "library": Way(',
                '    "words": Way("writing words", "lamina.export.words", "write_words"),\n',
            )
        ],
        "src/lamina/cli/_export.py": [
            (
                "    target: Annotated[str",
                '    words: Annotated[Path | None, option("The names of the columns.", False)] = None,\n',
            ),
            ("}, options)", ', "words": words'),
        ],
    },
    """
X = np.random.default_rng(1).normal(size=(50, 2))
lamina.save(lamina.MLPRegressor(preset="fast", max_iter=2).fit(X, X[:, 0]), "words.safetensors")
command("export", "words.safetensors", "--words", "words.txt")
assert Path("words.txt").read_text() == "x0 x1"
""",
)

ADDED["something that `lamina inspect` looks for"] = Addition(
    {
        "src/lamina/table/findings/few.py": [
            (
                "",
                """
from lamina.table.findings.results import Finding


def few_rows(rows):
    return Finding('few', 'warning', (), f'only {rows} rows', rows) if rows < 60 else None
""",
            )
        ],
        "src/lamina/table/inspection.py": [
            (
                "        self.findings.sort(",
                "        from lamina.table.findings.few import few_rows\n"
                "        self._add(few_rows(self.table.rows))\n",
            )
        ],
    },
    """
Path("few.csv").write_text("a,b\\n" + "".join(f"{i},{i * i % 7}\\n" for i in range(50)))
with redirect_stdout(StringIO()) as said:
    command("inspect", "few.csv")
assert "only 50 rows" in said.getvalue()
""",
)

ADDED["something that models have"] = Addition(
    {
        "src/lamina/export/_prediction.py": [
            ('    target: str = ""\n    metrics: Mapping', "    learned_from: int = 0\n")
        ],
        "src/lamina/export/_describe.py": [
            ("    target = target or (schema", "    rows = schema.rows\n"),
            ("target, metrics or {}, importance or {}\n", "rows, "),
        ],
        "src/lamina/export/_onnx_model.py": [
            ("    if prediction.metrics:\n", '    found["learned_from"] = prediction.learned_from\n')
        ],
    },
    """
import onnx

X = np.random.default_rng(1).normal(size=(50, 2))
model = lamina.MLPRegressor(preset="fast", max_iter=2).fit(X, X[:, 0])
lamina.export_onnx(model, "rows.onnx")
found = {one.key: one.value for one in onnx.load("rows.onnx").metadata_props}
assert found["learned_from"] == "50"
""",
)

ADDED["an operator of ONNX"] = Addition(
    {
        "src/lamina/interchange/_elementwise.py": [
            (
                "_WITH_ATTRIBUTES: dict[str, Callable",
                """
def _shrink(node, z):
    bound = node.number("lambd", 0.5)
    moved = z - nd.sign(z) * node.number("bias", 0.0)
    return nd.where(nd.abs(z) > bound, moved, nd.zeros_like(z))


""",
            ),
            ('    "Swish": lambda node', '    "Shrink": _shrink,\n'),
        ]
    },
    """
from onnx import TensorProto, helper

node = helper.make_node("Shrink", ["x"], ["y"], lambd=1.5, bias=1.5)
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 5]) for name in "xy"]
graph = helper.make_graph([node], "graph", ends[:1], ends[1:])
made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)
Path("shrink.onnx").write_bytes(made.SerializeToString())
x = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]], np.float32)
found = lamina.import_onnx("shrink.onnx")(nd.array(x)).asnumpy()
np.testing.assert_array_equal(found, onnxruntime.InferenceSession("shrink.onnx").run(None, {"x": x})[0])
""",
)

ADDED["an operator of MXNet"] = Addition(
    {
        "tools/compare_mxnet/declare_operators.py": [
            ("diag expand_dims", "depth_to_space "),
            ("_linalg_inverse _linalg_makediag", "_linalg_extracttrian "),
        ],
        "src/lamina/mxnet/symbol/operators.txt": [
            (
                "diag data",
                "depth_to_space data block_size:int\n_linalg_extracttrian A offset:int=0 lower:bool=True\n",
            )
        ],
        "src/lamina/mxnet/symbol/aliases.txt": [
            ("linalg_syrk _linalg_syrk", "linalg_extracttrian _linalg_extracttrian\n")
        ],
    },
    """
import ast

import lamina as mx

network = mx.sym.linalg_extracttrian(mx.sym.depth_to_space(mx.sym.var("data"), block_size=2, name="wide"))
network.save("wide-symbol.json")
x = np.random.default_rng(0).normal(size=(1, 4, 2, 2)).astype(np.float32)
found = gluon.SymbolBlock.imports("wide-symbol.json", ["data"])(nd.array(x)).asnumpy()
wide = x.reshape(1, 2, 2, 1, 2, 2).transpose(0, 3, 4, 1, 5, 2).reshape(1, 1, 4, 4)
np.testing.assert_array_equal(found[0, 0], wide[0, 0][np.tril_indices(4)])
tool = ast.parse(Path("../tools/compare_mxnet/declare_operators.py").read_text())
texts = [one.value for one in ast.walk(tool) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
assert {"depth_to_space", "_linalg_extracttrian"} <= set(" ".join(texts).split())
""",
)

# --- tables -----------------------------------------------------------------------------------------------------------

ADDED["a way to divide rows"] = Addition(
    {
        "src/lamina/table/split.py": [
            ("from lamina.table.messages import", "from lamina.table.marks import groups_named\n"),
            (
                "    return RandomSplitter(rows, strata) if",
                """
    if groups is not None and "held" in groups_named(groups)[1]:
        return HeldSplitter(groups)
""",
            ),
            (
                "# --- by groups",
                """
class HeldSplitter(Splitter):
    said = "as the table says"

    def __init__(self, groups):
        codes, names = groups_named(groups)
        self._held = codes == names.index("held")

    def _split(self, validation, test, seed):
        return _parts(self._held.astype(int))

    def _hold_out(self, rows, share, rng):
        return rows[~self._held[rows]], rows[self._held[rows]]

    def _folds(self, rows, share, rng, members):
        return [self._hold_out(rows, share, rng)] * members


""",
            ),
        ],
        "src/lamina/table/stream/sample.py": [
            (
                "        seed = str(self.seed)",
                """
        if "held" in names:
            return (codes != names.index("held")).astype(np.uint64)
""",
            )
        ],
    },
    """
where = np.array(["a", "b", "c", "held", "d"] * 12)
lines = [f"{i},{i + 0.5 if i % 5 != 3 else 1000.5},{name}\\n" for i, name in enumerate(where)]
Path("divided.csv").write_text("a,b,where\\n" + "".join(lines))
training = ("train", "divided.csv", "--target", "b", "--group", "where", "--validation", "0.2", "--test", "0")
short = ("--preset", "fast", "--epochs", "1")
for run, more in (("kept", short), ("streamed", (*short, "--stream"))):
    command(*training, *more, "--quiet", "--out", run)
    results = open_model(Path(run))[1]["results"]
    assert results["rows"] == {"training": 48, "validation": 12}, results["rows"]
    assert results["metrics"]["lamina"]["mae"] > 900, results["metrics"]
    assert run == "streamed" or "as the table says" in results["divided"]
X, y = np.arange(60.0).reshape(-1, 1), np.where(where == "held", 1000.0, np.arange(60))
settings = dict(preset="fast", max_iter=1, members=2, random_state=0)
model = lamina.MLPRegressor(**settings).fit(X, y, groups=where)
assert model.best_validation_score_ < -1.3, model.best_validation_score_
model = lamina.MLPRegressor(**settings).fit(X, y, groups=np.where(where == "held", "e", where))
assert model.best_validation_score_ > -1.3, model.best_validation_score_
""",
)

ADDED["a source of rows"] = Addition(
    {
        "src/lamina/table/stream/sources.py": [
            (
                "    if _is_dataset(X) or",
                "    if isinstance(X, sqlite3.Connection):\n        return True\n",
            ),
            ("import os\n", "import sqlite3\n"),
            (
                "    if _is_dataset(X):\n        return",
                "    if isinstance(X, sqlite3.Connection):\n        return _ConnectionBlocks(X)\n",
            ),
            (
                "class _LazyBlocks(",
                """
class _ConnectionBlocks(Blocks):
    def __init__(self, connection):
        import polars as pl

        self._connection = connection
        self.types = dict(pl.read_database("select * from rows limit 1", connection).schema)

    def blocks(self):
        import polars as pl

        yield from pl.read_database(
            "select * from rows", self._connection, iter_batches=True, batch_size=20, schema_overrides=self.types
        )


""",
            ),
        ]
    },
    """
import sqlite3

X = np.random.default_rng(1).normal(size=(50, 2))
rows = sqlite3.connect(":memory:")
rows.execute("create table rows (a real, b real)")
rows.executemany("insert into rows values (?, ?)", X.tolist())
model = lamina.MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(rows, X[:, 0])
assert model.feature_names_in_.tolist() == ["a", "b"]
np.testing.assert_allclose(model.predict(rows), model.predict(X), rtol=1e-6)
""",
)

# --- runs, and the command line ---------------------------------------------------------------------------------------

ADDED["an option of `lamina train`"] = Addition(
    {
        "src/lamina/cli/_train_options.py": [
            (
                "    time: Annotated[\n",
                '    first: Annotated[int | None, option("Only the first rows.", "all")] = None\n'
                '    raw: Annotated[bool, option("Do not scale numbers.", False)] = False\n',
            ),
            (
                "        return super().said() | said(data=",
                '        parts |= {"first": self.first, "raw": self.raw or None}\n',
            ),
        ],
        "src/lamina/runs/data.py": [
            ("    validation: str | None = None\n", "    first: int | None = None\n    raw: bool = False\n"),
            (
                "    target, kinds = target_and_kinds(request, frame.schema)\n",
                "    frame = frame[: request.first]\n",
            ),
        ],
        "src/lamina/runs/training.py": [
            (
                "    return kind(**settings)\n\n\ndef _require_of_task",
                "    settings |= {'preprocess': not request.raw}\n",
            )
        ],
    },
    """
Path("first.csv").write_text("a,b\\n" + "".join(f"{i},{i % 7}\\n" for i in range(80)))
training = ("train", "first.csv", "--target", "b", "--preset", "fast", "--epochs", "1", "--quiet")
command(*training, "--first", "40", "--raw", "--out", "first")
model, details = open_model(Path("first"))
assert not model.fitted.encoder.robust_scale
assert details["settings"]["first"] == 40 and sum(details["results"]["rows"].values()) == 40
""",
)

ADDED["an option of several commands"] = Addition(
    {
        "src/lamina/cli/_options.py": [
            (
                "def said(**given",
                'RemarkOption = Annotated[str | None, option("A line to print first.", False)]\n\n\n',
            ),
            (
                "    delimiter: Annotated[str",
                '    missing: Annotated[list[str] | None, option("A text for missing values.", **_panel)] = None\n',
            ),
        ],
        "src/lamina/cli/_use_table.py": [
            (
                '    as_json: Annotated[bool, option("One JSON object."',
                "    remark: options.RemarkOption = None,\n",
            ),
            ("    reading = files.said()\n", "    remark and print(remark)\n"),
        ],
        "src/lamina/cli/_export.py": [
            ("import ModelArgument, ", "import RemarkOption\nfrom lamina.cli._options "),
            ("    name: Annotated[str", "    remark: RemarkOption = None,\n"),
            ("    options: dict[str, dict", "    remark and print(remark)\n"),
        ],
    },
    """
Path("option.csv").write_text("a,b\\n" + "".join(f"{i if i % 5 else 'none'},{i % 7}\\n" for i in range(60)))
training = ("train", "option.csv", "--target", "b", "--preset", "fast", "--epochs", "1", "--quiet")
command(*training, "--missing", "none", "--out", "option")
assert open_model(Path("option"))[0].schema.columns[0].missing > 0
with redirect_stdout(StringIO()) as said:
    command("evaluate", "option", "option.csv", "--missing", "none", "--remark", "of numbers")
    command("export", "option", "--onnx", "option.onnx", "--remark", "as a file")
assert said.getvalue().startswith("of numbers\\n") and said.getvalue().endswith("as a file\\n")
""",
)

ADDED["a kind of file that holds a model"] = Addition(
    {
        "src/lamina/runs/run_folder.py": [
            (
                "    file = _existing(path)\n    details: dict",
                """
    if path.suffix == ".gz":
        import gzip
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            (plain := Path(folder, path.stem)).write_bytes(gzip.decompress(path.read_bytes()))
            return open_model(plain, target)
""",
            )
        ],
        "src/lamina/training/run_folder.py": [('".params", "-symbol', '".gz", ')],
    },
    """
import gzip

X = np.random.default_rng(1).normal(size=(50, 2))
model = lamina.MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, X[:, 0])
lamina.save(model, "packed.safetensors")
Path("packed.safetensors.gz").write_bytes(gzip.compress(Path("packed.safetensors").read_bytes()))
Path("packed.csv").write_text("x0,x1\\n" + "".join(f"{a},{b}\\n" for a, b in X.tolist()))
command("predict", "packed.safetensors.gz", "packed.csv", "-o", "predicted.csv")
found = np.genfromtxt("predicted.csv", delimiter=",", names=True)["prediction"]
np.testing.assert_allclose(found, model.predict(X), rtol=1e-6)
command("export", "packed.safetensors.gz", "--onnx", "packed.onnx")
command("inspect", "packed.safetensors.gz")
""",
)

ADDED["a fact in a run's report"] = Addition(
    {
        "src/lamina/runs/report.py": [
            ('        "baselines": _baselines(findings),', '        "rate": _rate(findings, drawing),\n'),
            (
                "def _score(findings",
                """
def _rate(findings, drawing):
    drawing.draw(figures.epochs, len(findings.trained.history))
    return len(findings.trained.history) / findings.trained.seconds


""",
            ),
        ],
        "src/lamina/runs/report.html.jinja": [
            (
                "<div class='cards'>",
                "<p>{{ '%.3g'|format(rate) }} epochs a second.</p>\n"
                "{% if figures.epochs %}{% call figure('epochs', 'All epochs') %}Epochs.{% endcall %}{% endif %}\n",
            )
        ],
        "src/lamina/runs/figures.py": [
            (
                "@_drawn\ndef confusion(",
                "@_drawn\ndef epochs(figure, count):\n    figure.subplots().plot(range(count))\n\n\n",
            )
        ],
    },
    """
Path("report.csv").write_text("a,b\\n" + "".join(f"{i},{i % 7}\\n" for i in range(60)))
command("train", "report.csv", "--target", "b", "--preset", "fast", "--epochs", "1", "--quiet", "--out", "report")
page = Path("report/report.html").read_text()
assert "epochs a second" in page and "<figcaption>All epochs" in page
""",
)

ADDED["an optional package"] = Addition(
    {
        "pyproject.toml": [("shap = [", 'arrow = ["pyarrow>=18"]\n')],
        "src/lamina/support/extras.py": [('    "shap": "shap",', '    "arrow": "pyarrow",\n')],
    },
    """
from lamina.errors import MissingPackageError
from lamina.support.extras import require

sys.path.insert(0, str(Path("../tests").absolute()))
import test_extras

test_extras.test_every_optional_package_is_known_by_an_extra_that_installs_it()
sys.modules["pyarrow"] = None
try:
    require("reading Arrow", "pyarrow")
    raise AssertionError
except MissingPackageError as error:
    assert "pip install 'lamina[arrow]'" in str(error)
finally:
    del sys.modules["pyarrow"]
""",
)

# --- the estimators ---------------------------------------------------------------------------------------------------

ADDED["what a search tries"] = Addition(
    {
        "src/lamina/estimators/declaring.py": [
            ('"boosting", *LIBRARIES', '"mean", '),
            ('"lightgbm", "xgboost"', '"sklearn", '),
        ],
        "src/lamina/estimators/settings.py": [
            ('rule=must_be_one_of(None, "batch", "layer"))]', 'draw=Draw(99, lambda rng, _: "layer"), ')
        ],
        "src/lamina/estimators/search/plan.py": [("*((preset, rows) for", '("medium", rows // 2), ')],
        "src/lamina/estimators/search/candidates.py": [
            (
                '_STAGES = {"linear"',
                """
def _mean(shared, members, _seed, _budget):
    arrays = [
        {"weight0": np.zeros((member.inputs.shape[1], 1)), "bias0": member.wanted.mean(axis=0)}
        for member in members
    ]
    yield _stage(shared, members, arrays)


""",
            ),
            ('"neighbours": _near}', '"mean": _mean, '),
        ],
        "src/lamina/estimators/search/boosting.py": [
            (
                "LIBRARIES: Mapping",
                """
class _Stumps(_HistGradientBoosting):
    def _start(self):
        super()._start()
        self._model.set_params(max_depth=1)


""",
            ),
            ('    "lightgbm": _LightGBM', '    "sklearn": _Stumps,\n'),
        ],
    },
    """
X = np.random.default_rng(1).normal(size=(80, 2))
settings = dict(trials=4, candidates=("mean", "sklearn"), hidden_layer_sizes=4, members=1, random_state=0)
model = lamina.MLPRegressor(**settings).fit(X, np.sign(X[:, 0]))
_, mean, stumps, half = (one["settings"] for one in sorted(model.trials_, key=lambda one: one["number"]))
assert (mean["candidate"], stumps["candidate"], half["preset"]) == ("mean", "sklearn", "medium")
assert half["rows"] == mean["rows"] // 2
scores = {one["number"]: one["score"] for one in model.trials_}
assert scores[2] > scores[1] > -1

from lamina.estimators.search.plan import Plan

drawn = Plan(lamina.MLPRegressor(), 7, 100, 10).configuration(7)
assert drawn.settings["normalization"] == drawn.estimator.normalization == "layer"
""",
)

ADDED["how it is decided"] = Addition(
    {
        "src/lamina/estimators/meaning.py": [
            (
                "        return found.astype(np.int64)\n\n\ndef best",
                """
        if threshold is None and x.shape[1] == 2:
            found = (x[:, positive] >= x[:, 1 - positive]) == positive
""",
            )
        ]
    },
    """
from lamina.runs.metrics import metrics_of

X, y = np.random.default_rng(1).normal(size=(60, 2)), np.arange(60) % 2
model = lamina.MLPClassifier(preset="fast", max_iter=1, random_state=0).fit(X, y)
model.fitted_.network.map_outputs(np.zeros((2, 2)), np.zeros(2))
assert (model.predict_proba(X) == 0.5).all() and (model.predict(X) == 1).all()
assert metrics_of("classification", y, model.predict_proba(X))["accuracy"] == 0.5 == model.score(X, y)
assert metrics_of("classification", np.ones(60, int), model.predict_proba(X))["accuracy"] == 1
lamina.export_onnx(model, "decided.onnx")
session = onnxruntime.InferenceSession("decided.onnx")
assert (session.run(None, {"X": X})[0] == 1).all()
""",
)

ADDED["a part of the estimators' network"] = Addition(
    {
        "src/lamina/estimators/architecture.py": [
            ("    pieces: int = 0\n", "    input_shift: bool = False\n"),
            (
                "        if self.has_pieces:\n",
                """
        if self.input_shift:
            found["shift"] = Parameter((self.width,), _filled(0.1))
""",
            ),
        ],
        "src/lamina/estimators/network.py": [
            (
                "        if parts.near:\n            return nd.softmax",
                '        x = x + self["shift"] if parts.input_shift else x\n',
            )
        ],
        "src/lamina/estimators/settings.py": [
            (
                "    normalization: Annotated[",
                """
    input_shift: Annotated[Setting[bool], About(
        "whether the scaled inputs are shifted by learned numbers.", False, rule=_SWITCH, fixed="given")] = OPEN
""",
            )
        ],
        "src/lamina/estimators/persistence.py": [
            ('11"\n"""The ``format``', "1"),
            ("_WITHOUT_DIGEST = (", '_FORMATS["lamina estimator 111"] = file_schema.Content\n'),
        ],
    },
    """
X = np.random.default_rng(1).normal(size=(50, 2))
settings = dict(preset="fast", max_iter=2, random_state=0)
model, without = (lamina.MLPRegressor(**settings, input_shift=on).fit(X, np.abs(X[:, 0])) for on in (True, False))
assert model.loss_curve_ != without.loss_curve_ and (model.predict(X) != without.predict(X)).any()
lamina.export_onnx(model, "shift.onnx")
(found,) = onnxruntime.InferenceSession("shift.onnx").run(None, {"X": X})
np.testing.assert_allclose(found.ravel(), model.predict(X), rtol=1e-4, atol=1e-5)
lamina.save(model, "shift.safetensors")
assert (lamina.load("shift.safetensors").predict(X) == model.predict(X)).all()
assert b"lamina estimator 111" in Path("shift.safetensors").read_bytes()
assert open_model(Path(ROOT, "tests/runs/files/regression"))[0].fitted.network.architecture.input_shift is False
""",
)

ADDED["how a kind of input is encoded"] = Addition(
    {
        "src/lamina/table/encode.py": [
            (
                "            books[column.name] = self._encoded",
                "            patterns[1:][np.array(column.counts) < 4] = patterns[0]\n",
            )
        ]
    },
    """
import polars as pl

names = np.array(["a", "b", "c"]).repeat([27, 30, 3])
table, y = pl.DataFrame({"kind": names}), (names == "b") + np.arange(60) / 100
model = lamina.MLPRegressor(preset="fast", max_iter=5, early_stopping=False, random_state=0).fit(table, y)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    one, rare, unknown = model.predict(pl.DataFrame({"kind": ["a", "c", "d"]}))
assert one != rare == unknown
lamina.export_onnx(model, "rare.onnx")
(found,) = onnxruntime.InferenceSession("rare.onnx").run(None, {"kind": np.array([["a"], ["c"], ["d"]], object)})
assert found.ravel()[0] != found.ravel()[1] == found.ravel()[2]
""",
)
