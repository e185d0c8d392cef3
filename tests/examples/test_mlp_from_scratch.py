"""The chapter's program runs, and every name that the chapter uses exists."""

import ast
import re
from functools import reduce
from pathlib import Path

import pytest
from documents import run_file

import lamina as mx

PROGRAM = Path(__file__).parents[2] / "examples" / "mlp_from_scratch.py"

CHAPTER_NAMES = [
    "mx.cpu",
    "mx.gpu",
    "mx.num_gpus",
    "mx.test_utils.get_mnist",
    "mx.gluon.data.DataLoader",
    "mx.gluon.data.vision.MNIST",
    "nd.random_normal",
    "nd.maximum",
    "nd.zeros_like",
    "nd.exp",
    "nd.log",
    "nd.max",
    "nd.nansum",
    "nd.log_softmax",
    "nd.dot",
    "nd.argmax",
    "nd.one_hot",
    "nd.mean",
    "nd.sum",
    "nd.NDArray.as_in_context",
    "nd.NDArray.reshape",
    "nd.NDArray.asscalar",
    "nd.NDArray.attach_grad",
    "nd.NDArray.backward",
    "nd.NDArray.grad",
    "autograd.record",
]


@pytest.mark.slow  # that the chapter's network learns, tests/test_readme.py says as well
def test_the_program_trains():
    (line,) = run_file(PROGRAM, "--epochs", "1").splitlines()
    numbers = re.fullmatch(r"Epoch 0\. Loss: (\S+), Train_acc (\S+), Test_acc (\S+)", line)
    assert numbers is not None, line
    loss, train_accuracy, test_accuracy = map(float, numbers.groups())
    assert 0.35 < loss < 0.6  # the chapter: 0.455, 0.886 and 0.890
    assert 0.84 < train_accuracy < 0.92
    assert 0.84 < test_accuracy < 0.92


@pytest.mark.parametrize("name", CHAPTER_NAMES)
def test_the_chapters_names_exist(name):
    root, *path = name.split(".")
    assert reduce(getattr, path, {"mx": mx, "nd": mx.nd, "autograd": mx.autograd}[root]) is not None


def test_the_program_uses_the_chapters_names():
    tree = ast.parse(PROGRAM.read_text())
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in CHAPTER_NAMES if "NDArray" not in name} <= used


def test_an_array_on_a_gpu_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"mx\.cpu\(\)"):
        mx.nd.zeros((2, 2), ctx=mx.gpu())
    assert mx.num_gpus() == 0
