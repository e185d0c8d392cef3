"""Names of modules: MXNet's, and those of earlier versions, are the same objects; `import mxnet` after `install`."""

import pickle
import re
import subprocess
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

import lamina
from lamina.errors import OutsideError
from lamina.support.module_names import FINDER, MXNET, real_name

ROOT = Path(__file__).parents[1]
OF_EARLIER_VERSIONS = {
    "lamina.arguments": "PlainNumbers",
    "lamina.compiler": "CompiledFunction",
    "lamina.context": "Context",
    "lamina.dask": "MLPClassifier",
    "lamina.deferral": "eager",
    "lamina.files.tensors": "TensorFile",
    "lamina.gluon._naming": "NameScope",
    "lamina.gluon.data.batchify": "default_batchify_fn",
    "lamina.gluon.metric.classification": "PCC",
    "lamina.gluon.metric.probabilistic": "Perplexity",
    "lamina.gluon.metric.regression": "PearsonCorrelation",
    "lamina.gluon.nn.containers": "HybridSequential",
    "lamina.gluon.nn.normalization": "BatchNorm",
    "lamina.gluon.symbol_block": "SymbolBlock",
    "lamina.init": "Xavier",
    "lamina.initializer": "Xavier",
    "lamina.io": "NDArrayIter",
    "lamina.kvstore": "KVStore",
    "lamina.estimators.occlusion": "Word",
    "lamina.estimators.shapley": "Explanation",
    "lamina.lr_scheduler": "PolyScheduler",
    "lamina.metric": "Accuracy",
    "lamina.metric.base": "EvalMetric",
    "lamina.mlflow": "log_model",
    "lamina.mxnet.many_updates": "multi_sgd_update",
    "lamina.mxnet.np._einsum": "einsum",
    "lamina.mxnet.np._unary": "exp",
    "lamina.mxnet.random": "uniform",
    "lamina.nd._adam_updates": "lamb_update_phase1",
    "lamina.nd._counting": "sort",
    "lamina.nd._normalization": "LayerNorm",
    "lamina.nd.arithmetic": "add",
    "lamina.nd.custom": "Custom",
    "lamina.optimizer.rare": "FTML",
    "lamina.nd._ctc": "CTCLoss",
    "lamina.nd._density": "random_pdf_normal",
    "lamina.nd._factorizations": "potrf",
    "lamina.nd._fused_updates": "mp_nag_mom_update",
    "lamina.nd._masks": "isnan",
    "lamina.nd._ordering": "topk",
    "lamina.nd._probability": "softmax",
    "lamina.nd._products": "dot",
    "lamina.nd._random_like": "normal_like",
    "lamina.nd._serialization": "load",
    "lamina.nd._streams": "Source",
    "lamina.nd._updates": "sgd_update",
    "lamina.neural_network": "MLPClassifier",
    "lamina.neural_network.estimators": "MLPRegressor",
    "lamina.optimizer.adam": "Adam",
    "lamina.recipes._chapter": "ChapterNetwork",
    "lamina.recipes.digits": "Digits",
    "lamina.runs.recipes._augmented": "BestNetwork",
    "lamina.runs.recipes._settings": "Settings",
    "lamina.registry": "Registry",
    "lamina.symbol.nodes": "Symbol",
}
"""Classes and functions that pickles may hold, by the modules that they were in."""


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", sorted(MXNET))
def test_names_of_mxnet_are_one_module(name):
    module = import_module(f"lamina.{name}")
    assert module is getattr(lamina, name) is sys.modules[f"lamina.{MXNET[name]}"]
    assert module.__name__ == module.__spec__.name == f"lamina.{MXNET[name]}"


INSIDE = """
from mxnet.gluon.block import Block, HybridBlock, SymbolBlock
from mxnet.gluon.contrib.data.sampler import IntervalSampler
from mxnet.gluon.contrib.nn.basic_layers import Concurrent, HybridConcurrent, Identity
from mxnet.gluon.data.dataloader import DataLoader, default_batchify_fn, default_mp_batchify_fn
from mxnet.gluon.data.vision.transforms import Compose, ToTensor
import mxnet.gluon.data.vision.transforms as T
from mxnet.gluon.parameter import DeferredInitializationError, Parameter, ParameterDict
from mxnet.gluon.utils import check_sha1, download
from mxnet.io.io import DataBatch, DataDesc
from mxnet.kvstore.base import KVStoreBase
from mxnet.module.base_module import BaseModule
from mxnet.module.module import Module
from mxnet.ndarray.ndarray import NDArray, array, maximum
from mxnet.ndarray.utils import load, save, zeros
from mxnet.numpy.multiarray import ndarray
from mxnet.symbol.symbol import Symbol
from mxnet.base import _as_list
from mxnet.base import _LIB, check_call, c_array, mx_uint, mx_float, c_str
from mxnet.executor_manager import DataParallelExecutorGroup
from mxnet.notebook.callback import PandasLogger
import mxnet.libinfo
from mxnet.metric import ndarray as nd
from mxnet.gluon.block import _flatten
from mxnet.gluon.contrib.rnn import VariationalDropoutCell
from mxnet.gluon.rnn import HybridRecurrentCell, RecurrentCell
class Cell(HybridRecurrentCell): ...
"""
"""Imports in public programs; MXNet 1.9.1 has all of them."""


def test_imports_from_modules_inside_of_modules():
    same = (
        "Module is mxnet.mod.Module and Symbol is mxnet.sym.Symbol and SymbolBlock is mxnet.gluon.SymbolBlock"
    )
    more = "ndarray is mxnet.np.ndarray and maximum is nd.maximum and zeros is nd.zeros and nd is mxnet.nd"
    more = f"{more} and T.Compose is Compose"
    lists = "_as_list('ab') == ['ab'] and _as_list((1,)) == (1,)"
    program = f"import lamina.mxnet; lamina.mxnet.install(){INSIDE}print({same} and {more} and {lists})"
    assert run(program) == ["True"]


@pytest.mark.parametrize(
    "use", ["_LIB.MXGetVersion", "check_call(0)", "c_array(mx_uint, [1])", "mx_float(1)"]
)
def test_names_of_the_c_library_are_errors_at_use(use):
    with pytest.raises(OutsideError, match="it belongs to MXNet's C library"):
        eval(
            use,
            {
                name: getattr(lamina.base, name)
                for name in ("_LIB", "check_call", "c_array", "mx_uint", "mx_float")
            },
        )


@pytest.mark.parametrize("made", ["Cell()", "LSTM(3)", "rnn.GRU(3)", "rnn.LSTMBias", "LSTM.shape"])
def test_unsupported_classes_are_errors_at_use(made, monkeypatch):
    """Libraries import them, derive from them, and ask for instances of them, without need in a dense network."""
    monkeypatch.setattr(lamina.gluon, "rnn", None, raising=False)  # which is not there again after the test
    monkeypatch.delitem(sys.modules, "lamina.gluon.rnn", raising=False)
    del lamina.gluon.rnn
    from lamina.gluon import rnn  # pyright: ignore[reportAttributeAccessIssue]
    from lamina.gluon.rnn import LSTM, HybridRecurrentCell  # pyright: ignore[reportMissingImports]

    class Cell(HybridRecurrentCell):
        def __init__(self):
            super().__init__()

    assert not isinstance(lamina.gluon.nn.Dense(1), LSTM | HybridRecurrentCell)
    with pytest.raises(OutsideError, match="lamina has no fused recurrent layers"):
        eval(made, {"Cell": Cell, "LSTM": LSTM, "rnn": rnn})


def test_modules_that_are_no_packages_have_no_other_modules():
    done = subprocess.run(
        [sys.executable, "-c", "import lamina.mxnet; lamina.mxnet.install(); import mxnet.io.nosuch"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ModuleNotFoundError" in done.stderr


def test_two_threads_between_the_steps_of_an_import():
    """Python notes a name's spec in the module after `create_module`, and `exec_module` takes it back."""
    real = import_module("lamina.gluon.initializer")
    own, specs = real.__spec__, [ModuleSpec(f"lamina.{name}", FINDER) for name in ("init", "initializer")]
    for spec in specs:
        assert FINDER.create_module(spec) is real
        real.__spec__ = spec
    for _ in specs:
        FINDER.exec_module(real)
        assert real.__spec__ is own


@pytest.mark.parametrize(("module", "name"), OF_EARLIER_VERSIONS.items())
def test_pickles_of_earlier_versions_load(module, name):
    found = pickle.loads(f"c{module}\n{name}\n.".encode())
    assert found is getattr(import_module(real_name(module) or module), name)


def test_a_module_below_another_name_is_loaded_once():
    program = "import lamina.metric.base, lamina.gluon.metric, sys; import lamina.metric as a, lamina.gluon.metric as b"
    assert run(f"{program}; print(a is b, a.base is sys.modules['lamina.gluon.metric.base'])") == ["True"] * 2


def test_a_specification_is_found_without_importing():
    found = "importlib.util.find_spec('lamina.io').name"
    program = f"import importlib.util, sys, lamina; print({found}, 'lamina.mxnet' in sys.modules)"
    assert run(program) == ["lamina.io", "False"]
    assert find_spec("lamina.no_such_module") is None


def test_lamina_imports_nothing_of_mxnets():
    assert run("import lamina.nd, lamina.gluon, sys; print(*(m for m in sys.modules if '.mxnet' in m))") == []


def test_mxnet_is_laminas_after_install():
    program = """
import lamina.mxnet
lamina.mxnet.install()
lamina.mxnet.install()
import mxnet as mx
import mxnet.ndarray as nd
import mxnet.gluon.nn
from mxnet import autograd, gluon
from mxnet.gluon.data import DataLoader
from mxnet.io import NDArrayIter
import mxnet.symbol.nodes
assert mx is lamina and nd is lamina.nd and NDArrayIter is lamina.io.NDArrayIter
assert mxnet.symbol.nodes is lamina.mxnet.symbol.nodes and lamina.mxnet.gluon is gluon
try:
    import mxnet.rtc
except ModuleNotFoundError as error:
    print(error.name, "MXNet's C library" in str(error))
"""
    assert run(program) == ["mxnet.rtc", "True"]


def test_mxnet_itself_is_not_replaced():
    program = """
import sys, types, lamina.mxnet
sys.modules["mxnet"] = types.ModuleType("mxnet")
try:
    lamina.mxnet.install()
except ImportError as error:
    print(error.name, "before" in str(error))
assert not hasattr(sys.modules["mxnet"], "nd")
"""
    assert run(program) == ["mxnet", "True"]


@pytest.mark.parametrize("name", ["io", "symbol"])
def test_a_name_is_no_program(name):
    done = subprocess.run(
        [sys.executable, "-m", f"lamina.{name}"], capture_output=True, text=True, check=False
    )
    said = f"lamina.{name} is another name of the module lamina.mxnet.{name}, not a program"
    assert (done.returncode, done.stderr.count("\n"), said in done.stderr) == (1, 1, True)


def test_type_checkers_have_a_stub_of_each_name(monkeypatch):
    """They run no finder."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from module_stubs import FOLDER, stubs

    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == stubs()


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["pyright", "mypy"])
def test_type_checkers_know_the_names(checker, tmp_path):
    program = """
import lamina as mx
import lamina.symbol as sym
from lamina.io import NDArrayIter
from lamina.metric import Accuracy

reveal_type(NDArrayIter([1]))
reveal_type(mx.io.NDArrayIter([1]))
reveal_type(Accuracy())
reveal_type(sym.var("x"))
NDArrayIter([1]).no_such_name
"""
    (tmp_path / "program.py").write_text(program)
    options = ["--pythonpath", sys.executable] if checker == "pyright" else [f"--cache-dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", checker, *options, "program.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    revealed = re.findall(r'(?:Type of .* is|Revealed type is) "([\w.]+)"', done.stdout)
    assert [name.rpartition(".")[2] for name in revealed] == [
        "NDArrayIter", "NDArrayIter", "Accuracy", "Symbol"
    ], done.stdout  # fmt: skip
    assert re.findall(r"\b(\d+) error", done.stdout) == ["1"], done.stdout
    assert "no_such_name" in done.stdout


def test_without_install_there_is_no_mxnet():
    assert run("import lamina, importlib.util as u; print(u.find_spec('mxnet'))") == ["None"]


IMPORTS = """
import lamina.mxnet
lamina.mxnet.install()
import mxnet as mx
from mxnet import autograd, context, gluon, image, init, nd, np, npx, recordio
from mxnet.contrib import text
from mxnet.gluon import nn, rnn
from mxnet.gluon.model_zoo import vision
import mxnet.contrib.text.vocab as vocabulary
assert mx.image is image and gluon.rnn is rnn and image.__name__ == "lamina.image"
said = []
for module, name in ((image, "imread"), (rnn, "LSTM"), (vocabulary, "Vocabulary"), (vision, "resnet18_v1")):
    try:
        getattr(module, name)
    except lamina.errors.OutsideError as error:
        said.append(str(error).partition(":")[0])
assert not hasattr(recordio, "__wrapped__") and not hasattr(recordio, "MXRecordIO")
try:
    from mxnet import nosuch
except ImportError as error:
    assert "cannot import name 'nosuch'" in str(error)
print(said)
"""


def test_programs_may_import_what_they_do_not_use():
    """The book's package imports pictures and recurrent layers at its top."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = [
        "image.imread",
        "gluon.rnn.LSTM",
        "contrib.text.vocab.Vocabulary",
        "gluon.model_zoo.vision.resnet18_v1",
    ]
    assert done.stdout.strip() == repr([f"mx.{name}" for name in names])


def test_a_script_runs_unchanged(tmp_path):
    (tmp_path / "helper.py").write_text("from mxnet import nd\n")
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\nfrom helper import nd\nprint(sys.argv[1:], __name__, nd.__name__, (nd.ones(2) * 2).asnumpy())\n"
    )
    command = [sys.executable, "-m", "lamina.mxnet"]
    done = subprocess.run(
        [*command, str(script), "--rate", "0.1"], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "['--rate', '0.1'] __main__ lamina.nd [2. 2.]", done.stderr
    for arguments, said in (
        ([], "usage: python -m lamina.mxnet PROGRAM"),
        (["nosuch.py"], "there is no file nosuch.py; usage:"),
    ):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.startswith(said)
