"""`mx.mod.Module`, `FeedForward`, executors, monitors, and iterators over files: networks as symbols, trained."""

from __future__ import annotations

import copy
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

NAMESPACES = ("mx.mod.Module", "mx.model.FeedForward", "mx.executor.Executor", "mx.mon.Monitor")


def prepare(mx: Any) -> dict[str, Any]:
    """What the calls may use: a network, rows, and functions that train and compute."""
    logging.disable(logging.INFO)
    return _Trials(mx).all()


class _Trials:
    """Each runs one thing on numbers that are the same in both libraries."""

    def __init__(self, mx: Any) -> None:
        self.mx = mx
        random = np.random.RandomState(3)
        self.X = np.round(random.uniform(-1, 1, (40, 4)), 3).astype("float32")
        self.y = (self.X[:, 0] > self.X[:, 1]).astype("float32")
        sizes = {"fc1_weight": (5, 4), "fc1_bias": (5,), "fc2_weight": (2, 5), "fc2_bias": (2,)}
        self.values = {name: np.round(random.uniform(-1, 1, size), 2) for name, size in sizes.items()}

    def all(self) -> dict[str, Any]:
        names = (
            "net",
            "normalized",
            "resumed",
            "batches",
            "parameters",
            "module",
            "trained",
            "executor",
            "forward",
            "stepped",
            "files",
            "X",
            "y",
        )
        return {name: getattr(self, name) for name in names}

    def net(self, loss: str = "SoftmaxOutput", hidden: str = "tanh", **settings: Any) -> Any:
        sym = self.mx.sym
        x = sym.FullyConnected(sym.Variable("data"), num_hidden=5, name="fc1")
        x = sym.FullyConnected(sym.Activation(x, act_type=hidden, name="act"), num_hidden=2, name="fc2")
        return getattr(sym, loss)(x, name="softmax", **settings) if loss else x

    def normalized(self) -> Any:
        """A network with batch normalization, whose numbers depend on the rows that are computed together."""
        sym = self.mx.sym
        x = sym.FullyConnected(sym.Variable("data"), num_hidden=5, name="fc1")
        x = sym.Activation(sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="tanh")
        return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=2, name="fc2"), name="softmax")

    def resumed(self, optimizer: str, **settings: Any) -> Any:
        """What a module predicts that goes on training from files with an optimizer's states."""
        given = {"optimizer": optimizer, "optimizer_params": copy.deepcopy(settings), "num_epoch": 3}
        with tempfile.TemporaryDirectory() as folder:
            prefix = str(Path(folder) / "model")
            module = self.module()
            module.fit(self.batches(), **{**given, "num_epoch": 2})
            module.save_checkpoint(prefix, 2, save_optimizer_states=True)
            other = self.mx.mod.Module.load(prefix, 2, load_optimizer_states=True, context=self.mx.cpu())
            other.fit(self.batches(), begin_epoch=2, **{**given, "optimizer_params": settings})
            return other.predict(self.batches())

    def batches(self, size: int = 10, labels: bool = True, **settings: Any) -> Any:
        return self.mx.io.NDArrayIter(self.X, self.y if labels else None, size, **settings)

    def parameters(self) -> Any:
        return {name: self.mx.nd.array(x) for name, x in self.values.items()}

    def module(self, net: Any = None, labels: bool = True, **settings: Any) -> Any:
        """A module with parameters, not trained."""
        settings = {"context": self.mx.cpu(), **settings}
        module = self.mx.mod.Module(self.net() if net is None else net, **settings)
        batches = self.batches(labels=labels)
        module.bind(batches.provide_data, batches.provide_label or None)
        module.init_params(arg_params=self.parameters(), aux_params={})
        return module

    def trained(self, net: Any = None, optimizer: str = "sgd", size: int = 10, **settings: Any) -> Any:
        """Parameters, scores and predictions after three epochs."""
        fixed, devices = settings.pop("fixed", None), settings.pop("devices", 1)
        contexts = [self.mx.cpu(i) for i in range(devices)]
        module = self.mx.mod.Module(
            self.net() if net is None else net, context=contexts, fixed_param_names=fixed
        )
        module.fit(
            self.batches(size), eval_metric=["acc", "ce"], optimizer=optimizer, optimizer_params=settings,
            arg_params=self.parameters(), num_epoch=3, allow_missing=True, initializer=self.mx.init.One(),
        )  # fmt: skip
        found, states = module.get_params()
        scores = [[name, float(value)] for name, value in module.score(self.batches(16), ["acc", "ce"])]
        return [
            sorted(found),
            [found[name] for name in sorted(found)],
            sorted(states),
            scores,
            module.predict(self.batches(16)),
        ]

    def executor(self, net: Any = None, grad_req: Any = "write") -> Any:
        made = (self.net() if net is None else net).simple_bind(self.mx.cpu(), grad_req=grad_req, data=(6, 4))
        made.copy_params_from(self.parameters())
        return made

    def forward(self, executor: Any, is_train: bool = True) -> Any:
        given = {"data": self.X[:6], "softmax_label": self.y[:6]}
        given = {name: x for name, x in given.items() if name in executor.arg_dict}
        return executor.forward(is_train=is_train, **given)

    def stepped(self, executor: Any, steps: int = 1, heads: Any = None) -> Any:
        """Outputs and gradients after some steps forward and back."""
        for _ in range(steps):
            outputs = self.forward(executor)
            executor.backward(heads)
        return [outputs, [g for g in executor.grad_arrays if g is not None], sorted(executor.grad_dict)]

    def files(self, module: Any) -> Any:
        """What another module predicts from a module's files."""
        with tempfile.TemporaryDirectory() as folder:
            prefix = str(Path(folder) / "model")
            module.save_checkpoint(prefix, 7)
            names = sorted(path.name for path in Path(folder).iterdir())
            other = self.mx.mod.Module.load(prefix, 7)
            other.bind(self.batches().provide_data, self.batches().provide_label, for_training=False)
            return [names, other.predict(self.batches())]


CALLS = """
# --- training
trained(learning_rate=0.5)
trained(optimizer="sgd", learning_rate=0.5, momentum=0.9, wd=0.1)
trained(optimizer="adam", learning_rate=0.1, wd=0.01)
trained(optimizer="rmsprop", learning_rate=0.05)
trained(optimizer="nag", learning_rate=0.1, momentum=0.5)
trained(optimizer="adagrad", learning_rate=0.1)
trained(size=16, learning_rate=0.5)
trained(learning_rate=0.5, fixed=["fc1_bias", "fc2_weight"])
trained(learning_rate=0.5, rescale_grad=0.01)
trained(learning_rate=0.5, clip_gradient=0.05)
trained(net(grad_scale=0.5), learning_rate=0.5)
trained(net(normalization="batch"), learning_rate=0.5)
trained(net(smooth_alpha=0.1), learning_rate=0.5)
trained(net(hidden="relu"), learning_rate=0.5)
trained(learning_rate=0.5, lr_scheduler=mx.lr_scheduler.FactorScheduler(4, 0.5))
trained(optimizer="nag", learning_rate=0.1, momentum=0.9, wd=0.1)
trained(optimizer="nadam", learning_rate=0.1, wd=0.01)
trained(devices=2, learning_rate=0.5, momentum=0.9)
trained(devices=3, optimizer="adam", learning_rate=0.1)
trained(normalized(), devices=2, learning_rate=0.5)
trained(normalized(), size=16, devices=3, learning_rate=0.5, wd=0.1)
resumed("sgd", learning_rate=0.1, momentum=0.9)
resumed("adam", learning_rate=0.1)
resumed("adam", learning_rate=0.1, begin_num_update=8)
resumed("nadam", learning_rate=0.1, lr_scheduler=mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.1))
# --- several devices
m = module(context=[mx.cpu(0), mx.cpu(1)]); m.forward_backward(batches().next()); [[x.shape for x in m.get_outputs()], [[x.shape for x in y] for y in m.get_outputs(merge_multi_context=False)], m.get_outputs()[0]]
m = module(context=[mx.cpu(0), mx.cpu(1)]); m.forward_backward(batches().next()); g = m._exec_group; [g.batch_size, [[x.start, x.stop] for x in g.slices], [[x.shape for x in y] for y in g.grad_arrays], g.param_names, g.aux_names, g.arg_names, len(g.execs)]
m = mx.mod.Module(net(), context=[mx.cpu(0), mx.cpu(1), mx.cpu(2)]); m.bind([("data", (10, 4))], [("softmax_label", (10,))], inputs_need_grad=True); m.init_params(arg_params=parameters(), aux_params={}); m.forward_backward(batches().next()); [m.get_input_grads()[0], [x.shape for x in m.get_input_grads(False)[0]]]
m = module(context=[mx.cpu(0), mx.cpu(1)]); p = mx.metric.create(["acc", "ce"]); b = batches().next(); m.forward(b, is_train=False); m.update_metric(p, b.label); [float(x) for x in p.get()[1]]
mx.mod.Module(net(), context=[mx.cpu(0), mx.cpu(1)]).bind([("data", (1, 4))], [("softmax_label", (1,))])
# --- modules
m = module(); [sorted(m._arg_params), sorted(m._aux_params), m._arg_params["fc1_bias"], m._symbol.name, m._data_names, m._label_names, m._param_names, [list(x) for x in m._data_shapes], [list(x) for x in m._label_shapes], m._fixed_param_names]
m = mx.mod.Module(net(""), label_names=None); [m._arg_params, m._label_shapes, m.params_initialized]
m = mx.mod.Module(net(""), label_names=None); m._arg_params, m._aux_params, m.params_initialized = parameters(), {}, True; m.bind([("data", (10, 4))]); m.forward(batches(labels=False).next()); m.get_outputs()
isinstance(module(), mx.mod.BaseModule)
mx.mod.Module(net(), fixed_param_names=["nosuch"])
m = module(); [m.data_names, m.label_names, m.output_names, [list(x) for x in m.data_shapes], [list(x) for x in m.label_shapes], [list(x) for x in m.output_shapes]]
m = module(); [m.binded, m.params_initialized, m.optimizer_initialized, m.for_training, m.inputs_need_grad]
m = module(); m.predict(batches())
m = module(); [len(x) for x in m.predict(batches(16), merge_batches=False)]
m = module(); m.predict(batches(16), num_batch=2).shape
m = module(); [x.shape for x in m.predict(batches(16), always_output_list=True)]
m = module(); [[o[0].shape, i, b.pad] for o, i, b in m.iter_predict(batches(16))]
m = module(); [[n, float(v)] for n, v in m.score(batches(16), "acc", num_batch=1)]
m = module(); m.init_optimizer(optimizer_params={"learning_rate": 0.5}); b = batches().next(); m.forward(b); m.backward(); m.update(); m.get_params()[0]["fc1_weight"]
m = module(); m.init_optimizer(optimizer="adam"); b = batches().next(); m.forward_backward(b); m.update(); m.forward_backward(b); m.update(); m.get_params()[0]["fc2_weight"]
m = module(); p = mx.metric.create("acc"); b = batches().next(); m.forward(b, is_train=False); m.update_metric(p, b.label); [p.get()[0], float(p.get()[1])]
m = module(net(""), labels=False, label_names=None); m.forward(batches(labels=False).next()); m.get_outputs()
m = mx.mod.Module(net(""), label_names=None); m.bind([("data", (10, 4))], inputs_need_grad=True); m.init_params(arg_params=parameters(), aux_params={}); m.forward(batches(labels=False).next(), is_train=True); m.backward([nd.ones((10, 2))]); m.get_input_grads()
m = module(); m.set_params({**parameters(), "fc1_bias": nd.ones(5)}, {}); m.get_params()[0]["fc1_bias"]
m = module(); m.set_params({"fc1_bias": nd.ones(5)}, {}, allow_missing=True); m.get_params()[0]["fc1_bias"]
m = module(); m.set_params({"fc1_bias": nd.ones(5)}, {})
m = module(); m.init_params(arg_params={"fc1_bias": nd.ones(5)}, aux_params={}, allow_missing=True, force_init=True); m.get_params()[0]["fc1_bias"]
m = module(); m.init_params(mx.init.One(), force_init=True); m.get_params()[0]["fc2_weight"]
files(module())
m = module(); n = mx.mod.Module(net()); n.bind(batches().provide_data, batches().provide_label, shared_module=m); n.get_params()[0]["fc1_weight"]
mx.mod.Module(net(), data_names=["nosuch"])
mx.mod.Module(net()).forward(batches().next())
mx.mod.Module(net()).fit(batches())
m = module(); m.update()
m = module(); m.fit(batches(), num_epoch=2, begin_epoch=1, optimizer_params={"learning_rate": 0.5}); m.get_params()[0]["fc1_bias"]
seen = []; m = module(); m.fit(batches(), num_epoch=1, batch_end_callback=lambda p: seen.append([p.epoch, p.nbatch, type(p.locals["self"]).__name__]), epoch_end_callback=lambda e, s, a, x: seen.append([e, sorted(a), sorted(x)])); seen
seen = []; m = module(); m.score(batches(), "acc", batch_end_callback=lambda p: seen.append(p.nbatch), score_end_callback=lambda p: seen.append(p.nbatch)); seen
# --- FeedForward
m = mx.model.FeedForward(net(), num_epoch=3, learning_rate=0.5, arg_params=parameters(), numpy_batch_size=10); m.fit(batches()); [m.predict(X), m.predict(batches()).shape]
m = mx.model.FeedForward(net(), num_epoch=2, arg_params=parameters(), learning_rate=0.5); m.fit(batches()); float(m.score(batches()))
m = mx.model.FeedForward(net(), arg_params=parameters(), aux_params={}); [x.shape for x in m.predict(batches(16), return_data=True)]
m = mx.model.FeedForward(net(), num_epoch=2); m.fit(X)
m = mx.model.FeedForward(net(), num_epoch=2); m.fit(X, y[:3])
# --- executors
stepped(executor())
stepped(executor(grad_req="add"), 3)
stepped(executor(grad_req={"fc1_weight": "add", "data": "write"}), 2)
stepped(executor(net("MakeLoss")))
stepped(executor(net("")), heads=nd.ones((6, 2)))
stepped(executor(net("")), heads={"fc2_output": nd.ones((6, 2))})
stepped(executor(net("")))
e = executor(grad_req="null"); [e.grad_dict, [x.shape for x in forward(e, False)]]
e = executor(); [list(e.arg_dict), list(e.aux_dict), [x.shape for x in e.arg_arrays]]
e = executor(); forward(e); list(e.output_dict)
e = executor(); e.forward(nosuch=nd.ones(2))
e = executor(); e.forward(data=nd.ones((3, 4)))
e = executor(); e.forward(data=3)
e = executor(); e.copy_params_from({"nosuch": nd.ones(1)})
e = executor().reshape(data=(3, 4), softmax_label=(3,)); [e.arg_dict["data"].shape, e.forward(data=nd.ones((3, 4)))[0]]
a, b = mx.sym.Variable("a"), mx.sym.Variable("b"); e = (2 * a + b).bind(mx.cpu(), {"a": nd.ones(2), "b": nd.ones(2)}, [nd.zeros(2), nd.zeros(2)]); e.forward(is_train=True); e.backward(nd.array([3, 4])); e.grad_arrays
a, b = mx.sym.Variable("a"), mx.sym.Variable("b"); e = (2 * a + b).bind(mx.cpu(), [nd.ones(2), nd.ones(2)], {"a": nd.zeros(2)}); e.forward(is_train=True); e.backward(nd.array([3, 4])); e.grad_dict
(mx.sym.Variable("a") + mx.sym.Variable("b")).bind(mx.cpu(), {"a": nd.ones(2)})
net().simple_bind(mx.cpu(), nosuch=(2, 3))
mx.sym.Variable("w", shape=(3, 2)).infer_shape()
mx.sym.dot(mx.sym.Variable("x"), mx.sym.Variable("w", shape=(3, 2)) * mx.sym.ones((3, 2))).infer_shape(x=(4, 3))
# --- names of nodes
a, b = mx.sym.var("a"), mx.sym.var("b"); [x.list_outputs() for x in (a + b, a - b, a * b, a / b, a % b, a ** b, a == b, a > b, a <= b, mx.sym.maximum(a, b), mx.sym.broadcast_add(a, b), mx.sym.elemwise_add(a, b))]
a = mx.sym.var("a"); [x.list_outputs() for x in (a + 1, 1 + a, a - 1, 1 - a, a * 2, a / 2, 2 / a, a % 2, a ** 2, -a, a > 1, a == 1, mx.sym.maximum(a, 1))]
a, b = mx.sym.var("a"), mx.sym.var("b"); [x.list_outputs() for x in (mx.sym.split(a, num_outputs=2), mx.sym.ElementWiseSum(a, b), mx.sym.identity(a), mx.sym.linalg.gemm2(a, b), mx.sym.swapaxes(a, dim1=0, dim2=1), mx.sym.random_normal(), mx.sym.random.normal(), mx.sym.make_loss(a), mx.sym.stop_gradient(a), a.astype("int32"))]
x = mx.sym.split(mx.sym.var("a"), num_outputs=2, name="s"); [x.name, x.attr("num_outputs"), mx.sym.Group([x, mx.sym.var("b")]).name]
# --- composition
c = mx.sym.FullyConnected(mx.sym.FullyConnected(name="f1", num_hidden=3), name="f2", num_hidden=2); d = c(f1_data=mx.sym.exp(mx.sym.var("x")), name="whole"); [d.list_arguments(), d.list_outputs(), c.list_arguments(), c.name]
a, b, c = map(mx.sym.var, "abc"); d = mx.sym.Group([a * b, b + c])(b=mx.sym.exp(mx.sym.var("d")), name="first"); [d.list_arguments(), d.list_outputs()[0], d.eval(ctx=mx.cpu(), a=nd.array([1, 2]), c=nd.ones(2), d=nd.array([0, 1]))]
mx.sym.BatchNorm(mx.sym.var("a"), name="bn")(a=mx.sym.var("q")).list_auxiliary_states()
(mx.sym.var("a") + mx.sym.var("b"))(nosuch=mx.sym.var("c"))
(mx.sym.var("a") + mx.sym.var("b"))(a=3)
# --- shapes and dtypes
a, b = mx.sym.var("a"), mx.sym.var("b"); [(a + b).infer_shape(a=(2, 3)), (a * b).infer_shape(b=(2, 3)), mx.sym.exp(a + mx.sym.ones((2, 3))).infer_shape(), mx.sym.add_n(a, b).infer_shape(b=(4,)), (a > b).infer_shape(a=(2,))]
x = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=8, name="f1") + mx.sym.FullyConnected(mx.sym.var("other"), num_hidden=8, name="f2"); [x.infer_shape_partial(data=(10, 6)), x.infer_shape_partial(), x.infer_shape_partial(data=(10, 6), other=(10, 2)), x.infer_shape(data=(10, 6))]
a, b = mx.sym.var("a"), mx.sym.var("b"); [mx.sym.broadcast_add(a, b).infer_shape_partial(a=(2, 3)), mx.sym.dot(a, b).infer_shape_partial(a=(2, 3)), normalized().infer_shape_partial(data=(5, 3))]
[[None if p is None else [None if t is None else np.dtype(t).name for t in p] for p in normalized().infer_type(**k)] for k in ({"data": "float32"}, {"data": "float16"}, {"fc1_weight": "float64"}, {})]
[[[None if t is None else np.dtype(t).name for t in p] for p in s.infer_type_partial(a="int32")] for s in (mx.sym.Embedding(mx.sym.var("a"), input_dim=3, output_dim=2, name="e"), mx.sym.one_hot(mx.sym.var("a"), depth=3), mx.sym.Cast(mx.sym.var("a"), dtype="float16"), mx.sym.where(mx.sym.var("a"), mx.sym.var("b"), mx.sym.var("c")), mx.sym.var("a") + mx.sym.var("b"))]
(mx.sym.var("a") + mx.sym.var("b")).infer_type(a="float32", b="float64")
# --- operators of symbols
mx.sym.SVMOutput(mx.sym.var("x"), name="svm").eval(x=nd.array([[1, 2], [3, 0]]), svm_label=nd.array([0, 1]))
mx.sym.cumsum(mx.sym.var("x"), axis=1).eval(x=nd.array([[1, 2], [3, 0]]))
mx.sym.make_loss(mx.sym.var("x")).eval(x=nd.ones(2))
[getattr(mx.sym, "linalg_" + n)(mx.sym.var("x")).eval(x=nd.array([[4, 1], [1, 3]])) for n in ("det", "inverse", "potrf", "potri", "sumlogdiag", "extractdiag", "makediag")]
mx.sym.linalg_trmm(mx.sym.var("x"), mx.sym.var("y"), alpha=2).eval(x=nd.array([[4, 1], [1, 3]]), y=nd.array([[1, 2], [3, 0]]))
mx.sym.linalg_trsm(mx.sym.var("x"), mx.sym.var("y"), rightside=True).eval(x=nd.array([[4, 1], [1, 3]]), y=nd.array([[1, 2], [3, 0]]))
mx.sym.khatri_rao(mx.sym.var("x"), mx.sym.var("y")).eval(x=nd.array([[1, 2], [3, 0]]), y=nd.array([[1, 2], [3, 0]]))
mx.sym.unravel_index(mx.sym.var("x"), shape=(3, 4)).eval(x=nd.array([5, 7]))
mx.sym.ravel_multi_index(mx.sym.var("x"), shape=(3, 4)).eval(x=nd.array([[1, 2], [0, 3]]))
[[x.shape, np.dtype(x.dtype).name] for s in (mx.sym.random_exponential(shape=(3,)), mx.sym.random_gamma(shape=(2, 2)), mx.sym.random_poisson(shape=(2,)), mx.sym.random_randint(low=0, high=5, shape=(4,))) for x in s.eval()]
mx.sym.sum(mx.sym.shuffle(mx.sym.var("x"))).eval(x=nd.array([1, 2, 3]))
stepped(mx.sym.SVMOutput(net(""), name="softmax").simple_bind(mx.cpu(), data=(6, 4)))
# --- monitors
m = mx.mon.Monitor(2, lambda x: nd.sum(x), ".*weight", sort=True); e = executor(); m.install(e); m.tic(); forward(e); e.backward(); a = m.toc(); m.tic(); forward(e); [[s[:2] for s in a if "backward" not in s[1]], m.toc()]
"""

PROGRAMS: list[Any] = []

_ATTRIBUTE = "an attribute of each object"

SETTLED: dict[str, str] = {
    "mx.executor.Executor.*_dict": _ATTRIBUTE,
    "mx.mod.Module.*et_states": "a state that batches carry on is data, returned as an output",
    **dict.fromkeys(
        ("mx.executor.Executor.debug_str", "mx.executor.Executor.get_optimized_symbol"), "LAMINA_DEBUG tells what was compiled"
    ),
    'trained(learning_rate=0.5, fixed=["fc1_bias", "fc2_weight"])': "with a fixed weight, MXNet's oneDNN leaves the bias as it is, too",
    "mx.mod.Module.*(initializer)": "the same, made when the class is defined",
    "mx.model.FeedForward.create(*)": "an argument of the constructor or of fit, passed on by name",
    "mx.model.FeedForward.fit(eval_end_callback)": "the validation metrics are logged without it",
}  # fmt: skip
"""What differs on purpose, by subject or pattern; names that stand in `lamina.outside` are settled there."""
