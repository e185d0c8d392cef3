"""Errors inside a compiled function are shown at the user's lines."""

import traceback

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.errors import ShapeError, TraceError

pytestmark = pytest.mark.compiles


def net(x):
    return x + nd.zeros(7)


@lamina.compile
def step(x):
    with autograd.record():
        loss = nd.sum(net(x))
    loss.backward()
    return loss


@lamina.compile
def reads(x):
    return x if nd.sum(x) > 3 else -x


@lamina.compile
def fails(x):
    return {}[x.shape]


def lines_of(error):
    return [frame.line for frame in traceback.extract_tb(error.value.__traceback__)]


@pytest.mark.parametrize(
    "call", [lambda: step(nd.ones(3)), lambda: step.run_batches(np.zeros((2, 3), int), nd.ones(9))]
)
def test_the_last_line_shown_is_the_one_that_is_wrong(call):
    with pytest.raises(ShapeError) as error:
        call()
    assert lines_of(error)[-2:] == ["loss = nd.sum(net(x))", "return x + nd.zeros(7)"]
    assert len(lines_of(error)) <= 5  # the test's two, one of lamina's, the function's two


def test_a_value_that_is_read_and_an_error_of_the_function_itself():
    with pytest.raises(TraceError) as read:
        reads(nd.ones(3))
    assert lines_of(read)[-1] == "return x if nd.sum(x) > 3 else -x"
    with pytest.raises(KeyError) as own:
        fails(nd.ones(3))
    assert lines_of(own)[-1] == "return {}[x.shape]" and len(lines_of(own)) == 3


def test_recorded_calls_are_shown_likewise():
    with pytest.raises(ShapeError) as error, autograd.record():
        step(nd.ones(3))
    assert lines_of(error)[-1] == "return x + nd.zeros(7)"


def test_all_frames_are_shown_to_who_debugs(monkeypatch):
    monkeypatch.setenv("LAMINA_DEBUG", "1")
    with pytest.raises(ShapeError) as error:
        step(nd.ones(3))
    assert "raise ShapeError(" in lines_of(error)


def test_an_error_that_no_line_of_the_users_had_part_in_keeps_its_frames():
    compiled = lamina.compile(nd.dot)
    with pytest.raises(ShapeError) as error:
        compiled(nd.ones((2, 3)), nd.ones((2, 3)))
    assert "raise ShapeError(" in lines_of(error)
