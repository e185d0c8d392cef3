"""`mx.viz.print_summary`, in MXNet's form."""

import pytest

import lamina as mx


def test_a_network_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    data = mx.sym.var("data")
    hidden = mx.sym.Activation(
        mx.sym.FullyConnected(data, num_hidden=16, name="fc1"), act_type="relu", name="relu1"
    )
    net = mx.sym.FullyConnected(mx.sym.BatchNorm(hidden, name="bn"), num_hidden=4, name="fc2")
    mx.viz.print_summary(net + hidden.slice_axis(1, 0, 4), {"data": (8, 10)}, line_length=80)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["fc1(FullyConnected)", "16", "176", "data"] in rows
    assert ["bn(BatchNorm)", "16", "32", "relu1"] in rows
    assert ["fc2(FullyConnected)", "4", "68", "bn"] in rows
    assert ["Total", "params:", "276"] in rows


def test_errors() -> None:
    with pytest.raises(TypeError, match="needs a Symbol, not Dense"):
        mx.visualization.print_summary(mx.gluon.nn.Dense(3))  # pyright: ignore[reportArgumentType]
    two = mx.sym.broadcast_add(mx.sym.var("a"), mx.sym.var("b"))
    with (
        pytest.warns(UserWarning, match="infer_shape"),
        pytest.raises(ValueError, match="Input shape is incomplete"),
    ):
        mx.viz.print_summary(two, {"a": (1, 2)})


def test_a_network_as_a_drawing() -> None:
    hidden = mx.sym.Activation(
        mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=16, name="fc1"), act_type="relu", name="relu1"
    )
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=4, name="fc2"), name="softmax")
    drawn = mx.viz.plot_network(net, "mlp", "svg", {"data": (8, 10)}, node_attrs={"fixedsize": "false"})
    lines = {line.strip() for line in drawn.source.splitlines()}
    assert (drawn.name, drawn.format) == ("mlp", "svg")
    assert {"data [label=data]", r'fc1 [label="fc1\nFullyConnected 16"]'} < lines
    assert {"data -> fc1 [label=10]", "fc1 -> relu1 [label=16]", "fc2 -> softmax [label=4]"} < lines
    assert not any("weight" in line or "label ->" in line for line in lines)
    assert "fc1_weight -> fc1" in mx.viz.plot_network(net, hide_weights=False).source
