"""Names of blocks and parameters: counters per class, nested prefixes. Counters are per thread, so each test
gets a new thread and starts from 0."""

import threading
import time
from collections import Counter
from functools import wraps

import pytest

from lamina import gluon
from lamina import mxnet as mx
from lamina.gluon import nn


def in_a_new_thread(test):
    @wraps(test)
    def run():
        failures = []

        def guarded():
            try:
                test()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]

    return run


@in_a_new_thread
def test_every_class_counts_for_itself():
    assert [nn.Dense(1).prefix for _ in range(2)] == ["dense0_", "dense1_"]
    assert nn.Sequential().prefix == "sequential0_"
    assert nn.HybridSequential().name == "hybridsequential0"
    assert nn.Dense(1).weight.name == "dense2_weight"


@in_a_new_thread
def test_a_scope_has_its_own_counters():
    nets = []
    for _ in range(2):
        net = nn.Sequential()
        with net.name_scope():
            net.add(nn.Dense(2), nn.Dense(1))
        nets.append(net)
    assert list(nets[1].collect_params()) == [
        "sequential1_dense0_weight",
        "sequential1_dense0_bias",
        "sequential1_dense1_weight",
        "sequential1_dense1_bias",
    ]
    assert nn.Dense(1).prefix == "dense0_"


@in_a_new_thread
def test_scopes_nest():
    outer = nn.Sequential(prefix="outer_")
    with outer.name_scope():
        inner = nn.Sequential()
        with inner.name_scope():
            deep = nn.Dense(1)
        beside = nn.Dense(1, prefix="last_")
    assert deep.weight.name == "outer_sequential0_dense0_weight"
    assert beside.bias.name == "outer_last_bias"


@in_a_new_thread
def test_an_empty_prefix_names_nothing():
    net = nn.Sequential(prefix="")
    with net.name_scope():
        net.add(nn.Dense(1))
    assert net[0].prefix == "dense0_"
    assert net.name == ""


@in_a_new_thread
def test_an_activation_is_counted_under_its_function():
    assert nn.Activation("relu").prefix == "relu0_"
    assert nn.Dense(1, activation="tanh").act.prefix == "dense0_tanh_"


@in_a_new_thread
def test_parameters_can_be_shared():
    first = nn.Dense(4, in_units=4)
    second = nn.Dense(4, in_units=4, params=first.params)
    third = nn.Dense(4, in_units=4, params=first.collect_params())
    assert second.weight is first.weight
    assert third.bias is first.bias
    assert list(second.collect_params()) == ["dense0_weight", "dense0_bias"]


@in_a_new_thread
def test_sharing_goes_down_to_the_children():
    class Net(gluon.Block):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.dense = nn.Dense(3, in_units=3)

    first = Net(prefix="net_")
    second = Net(prefix="net_", params=first.collect_params())
    assert second.dense.weight is first.dense.weight


def dense() -> str:
    return nn.Dense(1).prefix


def group() -> str | None:
    return mx.sym.var("x").attr("group")


@pytest.mark.parametrize(
    ("shared", "other", "look"),
    [
        (gluon.Block(prefix="shared_").name_scope(), gluon.Block(prefix="other_").name_scope(), dense),
        (mx.name.Prefix("shared_"), mx.name.Prefix("other_"), dense),
        (mx.AttrScope(group="shared"), mx.AttrScope(group="other"), group),
    ],
    ids=["NameScope", "NameManager", "AttrScope"],
)
def test_threads_that_share_a_scope_leave_it_for_their_own(shared, other, look):
    entered, left, found = threading.Event(), threading.Event(), []

    def second():
        with other:
            with shared:
                entered.set()
                left.wait(10)
                found.append(look())
            found.append(look())

    thread = threading.Thread(target=second)
    before = look()
    with shared:
        thread.start()
        entered.wait(10)
    after = look()
    left.set()
    thread.join()
    assert not any(name and name.startswith(("shared", "other")) for name in (before, after))
    assert found[0].startswith("shared") and found[1].startswith("other")


def test_threads_that_share_a_scope_get_different_numbers():
    class Slow(Counter[str]):
        def __getitem__(self, key: str) -> int:
            found = super().__getitem__(key)
            time.sleep(0.01)
            return found

    names: list[str] = []
    manager = mx.name.NameManager()
    manager._counter = Slow()
    threads = [threading.Thread(target=lambda: names.append(manager.get(None, "dense"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == [f"dense{i}" for i in range(4)]
