"""Blocks: children, parameters, saving, hooks, summaries; hybrid blocks: parameters by name, deferred shapes."""

import copy
import pickle

import numpy as np
import pytest

from lamina import autograd, gluon, nd
from lamina.errors import DataError, ParameterError
from lamina.gluon import nn


class MLP(gluon.Block):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.hidden = nn.Dense(5, activation="relu")
            self.output = nn.Dense(2)

    def forward(self, x):
        return self.output(self.hidden(x))


class Scale(gluon.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = self.params.get("factor", shape=(1,), init="ones")

    def hybrid_forward(self, F, x, factor):
        return F.broadcast_mul(x, factor)


def ready(net, inputs=3):
    net.initialize()
    net(nd.ones((4, inputs)))
    return net


def values(net):
    return {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# --- structure ----------------------------------------------------------------------------------------------


def test_it_prints_as_in_mxnet():
    net = MLP()
    assert repr(net) == (
        "MLP(\n  (hidden): Dense(None -> 5, Activation(relu))\n  (output): Dense(None -> 2, linear)\n)"
    )
    ready(net)
    assert "(hidden): Dense(3 -> 5, Activation(relu))" in repr(net)


def test_parameters_are_collected_by_regular_expression():
    net = MLP(prefix="mlp_")
    assert list(net.collect_params()) == [
        "mlp_dense0_weight",
        "mlp_dense0_bias",
        "mlp_dense1_weight",
        "mlp_dense1_bias",
    ]
    assert list(net.collect_params(".*weight")) == ["mlp_dense0_weight", "mlp_dense1_weight"]
    assert list(net.collect_params("mlp_dense1_bias|mlp_dense0_weight")) == [
        "mlp_dense0_weight",
        "mlp_dense1_bias",
    ]
    assert len(net.collect_params("weight")) == 0  # from the start of the name
    assert len(net.params) == 0


def test_an_attribute_keeps_its_kind():
    net = MLP()
    with pytest.raises(TypeError, match=r"MLP.hidden is a Dense and cannot become a int"):
        net.hidden = 3
    net.hidden = nn.Dense(7)
    assert net(ready(net) and nd.ones((1, 3))).shape == (1, 2)
    scale = Scale()
    with pytest.raises(ParameterError, match=r"Scale.factor has a parameter already"):
        scale.factor = gluon.Parameter("other", shape=(1,))


def test_blocks_in_a_list_are_noticed():
    class Hidden(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Dense(1), (nn.Dense(2),)]

    with pytest.warns(UserWarning, match="Hidden.layers holds blocks that are not registered"):
        Hidden().collect_params()


def test_registered_blocks_in_a_list_are_fine():
    class Registered(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Dense(1), nn.Dense(2)]
            for layer in self.layers:
                self.register_child(layer)

    assert len(Registered().collect_params()) == 4


def test_apply_goes_to_children_first():
    seen = []
    net = MLP()
    assert net.apply(lambda block: seen.append(type(block).__name__)) is net
    assert seen == ["Activation", "Dense", "Dense", "MLP"]


def test_a_block_must_say_what_it_computes():
    with pytest.raises(TypeError, match="Block must override forward"):
        gluon.Block()(1)
    with pytest.raises(TypeError, match="HybridBlock must override hybrid_forward or forward"):
        gluon.HybridBlock()(nd.ones(1))


def test_cast_changes_all_parameters():
    net = ready(MLP())
    net.cast("float64")
    assert {p.data().dtype for p in net.collect_params().values()} == {np.float64}
    assert net(nd.ones((1, 3), dtype="float64")).dtype == np.float64


def test_hooks():
    net = ready(MLP())
    calls = []
    before = net.hidden.register_forward_pre_hook(lambda block, x: calls.append(("before", x[0].shape)))
    with net.hidden.register_forward_hook(lambda block, x, y: calls.append(("after", y.shape))):
        net(nd.ones((1, 3)))
    before.detach()
    net(nd.ones((2, 3)))
    assert calls == [("before", (1, 3)), ("after", (1, 5))]


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["params", "safetensors"])
def test_saved_parameters_load_by_structure(tmp_path, suffix):
    path = tmp_path / f"mlp.{suffix}"
    net = ready(MLP())
    net.save_parameters(path)
    fresh = MLP()
    fresh.load_parameters(path)
    assert same(values(net), values(fresh))
    initialized = ready(MLP())
    kept = initialized.hidden.weight.data()
    initialized.load_parameters(str(path))
    assert same(values(net), values(initialized))
    assert initialized.hidden.weight.data() is kept


@pytest.mark.parametrize("strip", [True, False])
def test_files_by_name_load_too(tmp_path, strip):
    path = tmp_path / "mlp.params"
    net = ready(MLP(prefix="mlp_"))
    if strip:
        net.save_params(path)
    else:
        net.collect_params().save(path)
    fresh = MLP(prefix="mlp_")
    fresh.load_params(path)
    assert same(values(net), values(fresh))


def test_a_single_layer_has_names_without_dots(tmp_path):
    path = tmp_path / "dense.params"
    net = ready(nn.Dense(2))
    net.save_parameters(path)
    fresh = nn.Dense(2)
    fresh.load_parameters(path)
    assert same(values(net), values(fresh))


def test_loading_another_network_is_an_error_with_names(tmp_path):
    path = tmp_path / "mlp.params"
    ready(MLP()).save_parameters(path)
    other = nn.Sequential()
    other.add(nn.Dense(5))
    with pytest.raises(
        ParameterError, match=r"'0.weight' is missing in '.*mlp.params', which has 'hidden.weight'"
    ):
        other.load_parameters(path)
    wrong = MLP()
    wrong.hidden = nn.Dense(6)
    with pytest.raises(ParameterError, match=r"hidden.weight' in '.*' has shape \(5, 3\), but \(6, 0\)"):
        wrong.load_parameters(path)


def test_missing_and_extra(tmp_path):
    path = tmp_path / "mlp.params"
    net = ready(MLP())
    net.hidden.save_parameters(path)
    part = {"hidden.weight": net.hidden.weight.data(), "more.weight": nd.ones(1)}
    other = ready(MLP())
    before = values(other)
    with pytest.raises(ParameterError, match=r"'hidden.bias' is missing"):
        other.load_dict(part, ignore_extra=True)
    with pytest.raises(ParameterError, match=r"'more.weight' in 'param_dict' is not among"):
        other.load_dict(part, allow_missing=True)
    assert same(values(other), before)
    other.load_dict(part, allow_missing=True, ignore_extra=True)
    assert np.array_equal(other.hidden.weight.data().asnumpy(), part["hidden.weight"].asnumpy())
    assert np.array_equal(other.output.weight.data().asnumpy(), before["output.weight"])


def test_a_shared_parameter_may_be_saved_once(tmp_path):
    def tied():
        net = nn.HybridSequential()
        net.add(nn.Dense(3, in_units=3))
        net.add(nn.Dense(3, in_units=3, params=net[0].params))
        return net

    net = ready(tied())
    net.save_parameters(tmp_path / "once.params", deduplicate=True)
    assert set(nd.load(tmp_path / "once.params")) == {"0.weight", "0.bias"}
    fresh = tied()
    fresh.load_parameters(tmp_path / "once.params")
    assert same(values(net), values(fresh))


def test_a_damaged_file_is_an_error_and_changes_nothing(tmp_path):
    path = tmp_path / "mlp.params"
    net = ready(MLP())
    net.save_parameters(path)
    path.write_bytes(path.read_bytes()[:-40])
    before = values(net)
    with pytest.raises(DataError, match=r"mlp.params"):
        net.load_parameters(path)
    assert same(values(net), before)


def test_an_uninitialized_network_cannot_be_saved(tmp_path):
    with pytest.raises(gluon.UninitializedParameterError, match="weight' has not been initialized"):
        MLP().save_parameters(tmp_path / "mlp.params")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_is_a_network_of_its_own(duplicate):
    net = ready(MLP())
    twin = duplicate(net)
    x = nd.ones((1, 3))
    assert np.array_equal(twin(x).asnumpy(), net(x).asnumpy())
    with autograd.record():
        loss = twin(x).sum()
    loss.backward()
    assert twin.output.bias.grad().asnumpy().all()
    assert not net.output.bias.grad().asnumpy().any()


# --- summary ------------------------------------------------------------------------------------------------


def test_summary_prints_layers_shapes_and_counts(capsys):
    net = nn.HybridSequential()
    net.add(nn.Dense(256, activation="relu"), nn.BatchNorm(), nn.Dense(10))
    net.initialize()
    net.summary(nd.ones((64, 784)))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Input", "(64,", "784)", "0"] in lines
    assert ["Activation-1", "(64,", "256)", "0"] in lines
    assert ["Dense-2", "(64,", "256)", str(785 * 256)] in lines
    assert ["BatchNorm-3", "(64,", "256)", str(4 * 256)] in lines
    assert ["Dense-4", "(64,", "10)", "2570"] in lines
    total = 785 * 256 + 4 * 256 + 2570
    assert ["Total", "params:", str(total)] in lines
    assert ["Non-trainable", "params:", "512"] in lines
    assert ["Unique", "parameters", "in", "model:", str(total)] in lines
    assert not net._children["0"]._forward_hooks


def test_summary_counts_shared_parameters(capsys):
    net = nn.Sequential()
    net.add(nn.Dense(3, in_units=3))
    net.add(nn.Dense(3, in_units=3, params=net[0].params))
    net.initialize()
    net.summary(nd.ones((1, 3)))
    out = capsys.readouterr().out
    assert "Total params: 24" in out
    assert "Shared params in forward computation graph: 12" in out
    assert "Unique parameters in model: 12" in out


# --- hybrid blocks ------------------------------------------------------------------------------------------


def test_parameters_come_by_the_names_of_their_attributes():
    net = Scale()
    net.initialize()
    net.factor.set_data(nd.array([3]))
    assert net(nd.array([2])).asscalar() == 6


def test_children_must_be_blocks_of_a_block_that_is_set_up() -> None:
    with pytest.raises(
        TypeError, match=r"a child of Sequential must be a Block, not a function; nn\.Lambda makes"
    ):
        nn.Sequential().add(nd.relu)

    class Forgetful(gluon.Block):
        def __init__(self) -> None:
            self.hidden = nn.Dense(3)

    with pytest.raises(
        AttributeError, match=r"must call super\(\)\.__init__\(\) before it sets self\.hidden"
    ):
        Forgetful()


@pytest.mark.parametrize("hybridized", [False, True])
def test_a_layer_does_not_take_numpy_arrays(hybridized: bool) -> None:
    layer = ready(nn.Dense(2, in_units=3, prefix="out_"))
    layer.hybridize(hybridized)
    with pytest.raises(TypeError, match=r"out: needs an NDArray, got ndarray; make one with nd\.array"):
        layer(np.ones((2, 3), np.float32))


def test_blocks_are_among_the_layers_too() -> None:
    assert (nn.Block, nn.HybridBlock) == (gluon.Block, gluon.HybridBlock)


def test_children_of_a_hybrid_block_must_be_hybrid():
    net = nn.HybridSequential()
    with pytest.raises(ValueError, match="a child of a HybridBlock must be a HybridBlock, but Lambda"):
        net.add(nn.Lambda("relu"))


def test_shapes_become_known_at_the_first_forward():
    net = MLP()
    net.initialize()
    assert net.hidden.weight.shape == (5, 0)
    net(nd.ones((1, 3)))
    assert net.hidden.weight.shape == (5, 3)
    assert net.output.weight.shape == (2, 5)


def test_a_block_that_cannot_tell_its_shapes_says_so():
    class Unknown(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = self.params.get("w", shape=(2, 0), allow_deferred_init=True)

        def hybrid_forward(self, F, x, w):
            return F.dot(x, w)

    net = Unknown()
    net.initialize()
    with pytest.raises(
        gluon.DeferredInitializationError, match=r"Unknown.*cannot tell the shape of Parameter .*w"
    ):
        net(nd.ones((1, 2)))


class Gated(gluon.HybridBlock):
    """A layer with parameters of unknown sizes inside, as in Sockeye and other programs for MXNet."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(4, 0), init="one", allow_deferred_init=True)
            self.gamma = self.params.get("gamma", shape=(0,), init="one", allow_deferred_init=True)
            self.beta = self.params.get("beta", shape=(0,), init="zeros", allow_deferred_init=True)

    def hybrid_forward(self, F, x, mask, weight, gamma, beta):
        x = F.LayerNorm(x * 2, gamma=gamma, beta=beta)
        y = F.FullyConnected(x, weight, num_hidden=4, no_bias=True, flatten=False)
        return y if mask is None else F.broadcast_mul(y, mask)


@pytest.mark.parametrize("mask", [None, nd.ones((2, 3, 1))])
@pytest.mark.parametrize("hybridized", [False, True])
def test_shapes_follow_from_the_operators(mask, hybridized):
    """MXNet 1.9.1 finds the same shapes."""
    net = Gated()
    net.initialize()
    if hybridized:
        net.hybridize()
    assert net(nd.ones((2, 3, 5)), mask).shape == (2, 3, 4)
    assert [net.weight.shape, net.gamma.shape, net.beta.shape] == [(4, 5), (5,), (5,)]


def test_an_uninitialized_network_says_so():
    with pytest.raises(
        gluon.UninitializedParameterError, match=r"weight' has not been initialized. Call initialize\(\)"
    ):
        nn.Dense(2, in_units=3)(nd.ones((1, 3)))


def test_a_plain_forward_will_do():
    class Plain(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = self.params.get("w", shape=(3, 2), init="ones")

        def forward(self, x):
            return nd.dot(x, self.w.data())

    net = Plain()
    net.initialize()
    assert np.array_equal(net(nd.ones((1, 3))).asnumpy(), [[3, 3]])


def test_a_wrong_input_names_the_shapes():
    net = ready(nn.Dense(2))
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(2, 3\)"):
        net(nd.ones((1, 4)))
