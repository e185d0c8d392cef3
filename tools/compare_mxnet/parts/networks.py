"""`gluon`, metrics, iterators, optimizers, schedules, initializers, stores, callbacks, models, own operators."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMESPACES = (
    "mx.gluon", "mx.gluon.Block", "mx.gluon.HybridBlock", "mx.gluon.SymbolBlock", "mx.gluon.Parameter",
    "mx.gluon.Constant", "mx.gluon.ParameterDict", "mx.gluon.Trainer", "mx.gluon.nn", "mx.gluon.loss", "mx.gluon.utils",
    "mx.gluon.data", "mx.gluon.data.DataLoader", "mx.gluon.data.Dataset", "mx.gluon.data.ArrayDataset",
    "mx.gluon.data.vision", "mx.gluon.data.vision.transforms", "mx.gluon.contrib", "mx.metric", "mx.metric.EvalMetric",
    "mx.metric.CompositeEvalMetric", "mx.io",
    "mx.io.NDArrayIter", "mx.io.DataIter", "mx.io.DataBatch", "mx.io.DataDesc",
    "mx.io.ResizeIter", "mx.io.PrefetchingIter", "mx.optimizer", "mx.optimizer.Optimizer", "mx.lr_scheduler",
    "mx.initializer", "mx.init", "mx.kv", "mx.kvstore", "mx.kvstore.KVStore", "mx.callback", "mx.model", "mx.operator",
    "mx.operator.CustomOp", "mx.operator.CustomOpProp", "mx.symbol.Symbol", "mx.visualization",
)  # fmt: skip


def prepare(mx: Any) -> dict[str, Any]:
    """What the calls may use, made anew for each: namespaces, and functions that try a layer, a loss, an optimizer …"""
    return {"gluon": mx.gluon, "nn": mx.gluon.nn, **_Trials(mx).all()}


class _Trials:
    """Each runs one thing on arrays that are the same in both libraries, and gives all that comes out."""

    def __init__(self, mx: Any) -> None:
        self.mx = mx
        self.random = np.random.RandomState(5)

    def all(self) -> dict[str, Any]:
        names = ("layer", "loss", "metric", "numbers", "step", "initial", "spread", "batches")
        return {**{name: getattr(self, name) for name in names}, "W": self.array}

    def array(self, *shape: int, dtype: str = "float32") -> Any:
        return self.mx.nd.array(np.round(self.random.uniform(0.1, 0.9, shape), 3), dtype=dtype)

    def layer(self, layer: Any, shape: tuple[int, ...], dtype: str = "float32") -> Any:
        """Output and gradients of a layer in training, with weights of 0.5."""
        x = self.array(*shape, dtype=dtype)
        layer.initialize(self.mx.init.Constant(0.5))
        x.attach_grad()
        with self.mx.autograd.record(train_mode=False):
            y = layer(x)
        y.backward()
        grads = [p.grad() for p in layer.collect_params().values() if p.grad_req != "null"]
        return [y, x.grad, *grads, layer(x)]

    def loss(self, loss: Any, pred: Any, label: Any, *more: Any) -> Any:
        """A loss and the gradient of the prediction."""
        pred, label = (self.array(*x) if isinstance(x, tuple) else x for x in (pred, label))
        pred.attach_grad()
        with self.mx.autograd.record():
            value = loss(pred, label, *more)
        value.backward()
        return [value, pred.grad]

    def metric(self, metric: Any) -> Any:
        """Values after two batches of two classes, and of the second alone."""
        labels = [self.mx.nd.array([0, 1, 1]), self.mx.nd.array([1, 0])]
        scores = [[[0.3, 0.7], [0.2, 0.8], [0.6, 0.4]], [[0.1, 0.9], [0.9, 0.1]]]
        return self._updated(metric, labels, [self.mx.nd.array(x) for x in scores])

    def numbers(self, metric: Any) -> Any:
        """Values after two batches of numbers, and of the second alone."""
        labels, preds = [[1, 2, 4], [3, 5]], [[1.5, 2, 3], [2, 6]]
        return self._updated(
            metric, [self.mx.nd.array(x) for x in labels], [self.mx.nd.array(x) for x in preds]
        )

    def _updated(self, metric: Any, labels: Any, preds: Any) -> Any:
        metric.update([labels[0]], [preds[0]])
        first = metric.get()
        metric.reset_local()
        metric.update([labels[1]], [preds[1]])
        return [_floats(first), _floats(metric.get()), _floats(metric.get_global())]

    def step(self, name: str, **settings: Any) -> Any:
        """A weight after three steps."""
        optimizer = self.mx.optimizer.create(name, learning_rate=0.1, **settings)
        update, weight = self.mx.optimizer.get_updater(optimizer), self.array(2, 3)
        for _ in range(3):
            update(0, self.array(2, 3) - 0.5, weight)
        return weight

    def initial(self, init: Any, name: str = "a_weight", shape: tuple[int, ...] = (2, 3)) -> Any:
        """What an initializer fills an array with."""
        array = self.mx.nd.zeros(shape)
        (self.mx.init.create(init) if isinstance(init, str) else init)(self.mx.init.InitDesc(name), array)
        return array

    def spread(self, init: Any) -> Any:
        """How far random initial values are spread, roughly."""
        array = self.mx.nd.zeros((200, 100))
        init(self.mx.init.InitDesc("a_weight"), array)
        values = array.asnumpy().astype(float)
        return [round(float(values.std()) * 20), round(float(values.mean()) * 20)]

    def batches(self, iterator: Any) -> Any:
        """Two passes of an iterator."""
        found = []
        for _ in range(2):
            found.append([[b.data, b.label, b.pad] for b in iterator])
            iterator.reset()
        described = [[d.name, list(d.shape), np.dtype(d.dtype).name] for d in iterator.provide_data]
        return [found, described]


def _floats(pair: Any) -> Any:
    name, value = pair
    return [name, [float(v) for v in value] if isinstance(value, list) else float(value)]


CALLS = """
# --- layers and blocks
nn.LayerNorm(in_channels=10).initialize()
layer(nn.LayerNorm(in_channels=10), (2, 11))
layer(nn.LayerNorm(), (2, 3))
layer(nn.LayerNorm(axis=1, center=False), (2, 3, 4))
layer(nn.InstanceNorm(), (2, 3, 4))
layer(nn.InstanceNorm(in_channels=4, axis=2, scale=True, epsilon=1e-3), (2, 3, 4))
layer(nn.InstanceNorm(in_channels=3), (2, 3, 4, 2))
layer(nn.GroupNorm(), (2, 4, 3))
layer(nn.GroupNorm(num_groups=2, epsilon=1e-3), (2, 4, 3))
layer(nn.GroupNorm(num_groups=3), (2, 4, 3))
[(p.name, p.grad_req, p.shape) for p in nn.InstanceNorm(prefix="i_", in_channels=3).collect_params().values()]
[(p.name, p.grad_req, p.shape) for p in nn.GroupNorm(num_groups=2, center=False, prefix="g_").collect_params().values()]
layer(nn.Dense(3, in_units=4), (2, 5))
layer(nn.Dense(3, flatten=False), (2, 5, 4))
layer(nn.Dense(3), (2, 5, 4))
layer(nn.Dense(3, activation="nosuch"), (2, 5))
layer(nn.Dense(2, use_bias=False, weight_initializer="ones"), (1, 3))
layer(nn.Dense(2, dtype="float64", weight_initializer="ones"), (1, 3), "float64")
n = nn.Embedding(4, 2); n.initialize(mx.init.One()); grads(lambda w: n(nd.array([3, 0, 3])) + w, nd.ones((3, 2)))
layer(nn.Flatten(), (2, 3, 4))
layer(nn.Dropout(0.5), (2, 3))
nn.Dropout(2)
nn.LeakyReLU(-1)
repr(nn.Dense(3, in_units=4, activation="relu"))
repr(nn.Dense(3))
repr(nn.Dropout(0.5))
repr(nn.Embedding(4, 2))
repr(nn.BatchNorm())
repr(nn.BatchNorm(in_channels=3, scale=False))
repr(nn.LayerNorm(in_channels=3))
repr(nn.InstanceNorm(in_channels=3))
nn.Dense(3, prefix="d_")(mx.sym.var("data")).infer_shape(data=(2, 4))
nn.BatchNorm(prefix="b_")(mx.sym.var("data")).infer_shape(data=(2, 4))
nn.Embedding(5, 3, prefix="e_")(mx.sym.var("data")).infer_shape(data=(2, 4))
nn.Dense(3, prefix="d_")(mx.sym.var("data")).infer_shape()
nn.Dense(3, prefix="d_")(mx.sym.var("data")).infer_shape(nosuch=(2, 4))
x = mx.sym.var("data", dtype="float64"); [np.dtype(p.dtype).name for p in gluon.SymbolBlock(nn.Dense(3, prefix="d_")(x), x).collect_params().values()]
x = mx.sym.var("data", dtype="float64"); [np.dtype(p.dtype).name for p in gluon.SymbolBlock(mx.sym.FullyConnected(x, num_hidden=2, name="f"), x).collect_params().values()]
x = mx.sym.var("data"); d = nn.Dense(3, prefix="d_"); d.cast("float64"); [np.dtype(p.dtype).name for p in gluon.SymbolBlock(d(x), x).collect_params().values()]
gluon.Parameter("w", shape=2).row_sparse_data(nd.array([0]))
gluon.Parameter("w", shape=2, grad_stype="nosuch")
repr(nn.GroupNorm(num_groups=2))
repr(nn.Flatten())
repr(nn.LeakyReLU(0.5))
repr(nn.Activation("tanh"))
repr(nn.PReLU())
repr(nn.ELU(0.5))
repr(nn.Swish())
repr(nn.Lambda("tanh"))
repr(nn.HybridLambda("tanh"))
net = nn.HybridSequential(); net.add(nn.Dense(2, in_units=3), nn.Dropout(0.5)); repr(net)
net = nn.Sequential(); net.add(nn.Dense(2), nn.Dense(3)); [len(net), repr(net[1]), repr(net[-1]), len(net[0:1])]
net = nn.Sequential(prefix="a_"); net.add(nn.Dense(2, prefix="x_"), nn.Dense(3, prefix="y_")); sorted(net.collect_params().keys())
net = nn.HybridSequential(prefix="a_"); net.add(nn.Dense(2, prefix="x_", in_units=1)); sorted(net.collect_params("x_w").keys())
net = nn.HybridSequential(prefix="a_"); net.add(nn.Dense(2, prefix="x_", in_units=1)); net.initialize(mx.init.One()); sorted(net._collect_params_with_prefix().keys())
net = nn.Dense(2, in_units=2); net.initialize(); net.initialize(mx.init.One(), force_reinit=True); net.weight.data()
net = nn.Dense(2, in_units=2); net.weight.data()
net = nn.Dense(2); net.initialize(); net.weight.data()
net = nn.Dense(2); net.weight.shape
net = nn.Dense(2, in_units=2); net.initialize(); net.cast("float64"); str(np.dtype(net.weight.data().dtype))
net = nn.Dense(2, in_units=2); net.collect_params().setattr("grad_req", "null"); net.weight.grad_req
net = nn.Dense(2, in_units=2); net.initialize(mx.init.Constant(3)); net.weight.set_data(nd.ones((2, 2))); net.weight.data()
net = nn.Dense(2, in_units=2); net.initialize(); net.weight.set_data(nd.ones((2, 3)))
net = nn.Dense(2, in_units=2, prefix="n_"); repr(net.weight)
net = nn.Dense(2, in_units=2, prefix="n_"); repr(net.params)
net = nn.Dense(2, in_units=2, prefix="n_"); net.name
net = nn.Dense(2, in_units=2, prefix="n_"); net.weight.name
net = nn.Dense(2, in_units=2); net.weight = gluon.Parameter("other")
net = nn.Dense(2, in_units=2); net.weight = 3
net = nn.HybridSequential(); net.add(nn.Sequential())
gluon.Block()(nd.ones(1))
gluon.nn.Lambda("nosuch")
# --- parameters
p = gluon.Parameter("w", shape=(2, 2)); p.initialize(init="ones"); [p.data(), p.grad(), p.list_data(), p.list_grad(), len(p.list_ctx())]
p = gluon.Parameter("w", shape=(2, 2)); p.data()
p = gluon.Parameter("w"); p.initialize()
p = gluon.Parameter("w", shape=(2, 0)); p.initialize()
p = gluon.Parameter("w", shape=(2, 0), allow_deferred_init=True); p.initialize(); p.data()
p = gluon.Parameter("w", shape=(2, 0)); p.shape = (2, 3); p.shape
p = gluon.Parameter("w", shape=(2, 0)); p.shape = (3, 3); p.shape
p = gluon.Parameter("w", shape=(2,), grad_req="null"); p.initialize(); p.grad()
p = gluon.Parameter("w", shape=(2,), grad_req="bad")
p = gluon.Parameter("w", shape=(2,)); p.initialize("ones"); p.cast("float16"); str(np.dtype(p.dtype))
p = gluon.Parameter("w", shape=(2,)); p.initialize("ones"); p.grad_req = "add"; p.grad_req
p = gluon.Parameter("w", shape=(2,)); p.initialize("ones"); p.zero_grad(); p.grad()
p = gluon.Parameter("w", shape=(10, 10)); repr(p)
p = gluon.Parameter("w", shape=10); p.shape
c = gluon.Constant("c", [[1, 2], [3, 4]]); c.initialize(); [c.data(), c.grad_req]
c = gluon.Constant("c", nd.ones(2)); c.initialize(); c.grad()
d = gluon.ParameterDict("net_"); w = d.get("w", shape=(2, 2)); [w.name, sorted(d.keys()), "net_w" in d]
d = gluon.ParameterDict("net_"); d.get("w", shape=(2, 2)); d.get("w", shape=(3, 3))
d = gluon.ParameterDict("net_"); d.get("w", shape=(2, 0)); d.get("w", shape=(0, 3)).shape
d = gluon.ParameterDict("net_"); d.get("w", shape=(2, 2)); d.initialize(mx.init.Zero()); d["net_w"].data()
d = gluon.ParameterDict("net_"); d.get("weight", shape=(2, 2), init="ones"); d.initialize(); d["net_weight"].data()
d = gluon.ParameterDict("net_"); d.get("x", shape=(2, 2)); d.initialize(mx.init.One()); d["net_x"].data()
d = gluon.ParameterDict("net_"); d.get_constant("c", nd.ones(2)); d.initialize(); d["net_c"].data()
d = gluon.ParameterDict("net_"); d.get_constant("c")
d = gluon.ParameterDict("a_"); e = gluon.ParameterDict("b_", shared=d); d.get("w", shape=(1,)); e.update(d); sorted(e.keys())
d = gluon.ParameterDict(); d.get("w", shape=(1,)); e = gluon.ParameterDict(); e.get("w", shape=(1,)); d.update(e)
d = gluon.ParameterDict("net_"); d["nosuch"]
a = nn.Dense(2, in_units=2, prefix="a_"); b = nn.Dense(2, in_units=2, prefix="b_", params=a.params); sorted(b.collect_params().keys())
a = nn.Dense(2, in_units=2, weight_initializer="ones", prefix="a_"); b = nn.Dense(2, in_units=2, weight_initializer="zeros", prefix="b_", params=a.params); b.initialize(); b.weight.data()
# --- losses
loss(gluon.loss.L2Loss(), (2, 3), (2, 3))
loss(gluon.loss.L2Loss(weight=2.0, batch_axis=1), (2, 3), (2, 3))
loss(gluon.loss.L2Loss(), (2, 3), (6,))
loss(gluon.loss.L2Loss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.L1Loss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.L1Loss(batch_axis=1), (2, 3), (2, 3), W(1, 3))
loss(gluon.loss.SigmoidBCELoss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.SigmoidBCELoss(from_sigmoid=True), (2, 3), (2, 3))
loss(gluon.loss.SigmoidBCELoss(), (2, 3), (2, 3), W(2, 1), W(1, 3))
loss(gluon.loss.SigmoidBCELoss(from_sigmoid=True), (2, 3), (2, 3), W(2, 1), W(1, 3))
loss(gluon.loss.SoftmaxCELoss(), (2, 3), nd.array([0, 2]))
loss(gluon.loss.SoftmaxCELoss(), (2, 3), nd.array([0, 2]), W(2, 1))
loss(gluon.loss.SoftmaxCELoss(sparse_label=False), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.SoftmaxCELoss(axis=1, weight=3), (2, 3, 2), nd.array([[0, 2], [1, 1]]))
loss(gluon.loss.SoftmaxCELoss(from_logits=True), (2, 3), nd.array([0, 2]))
loss(gluon.loss.SoftmaxCELoss(batch_axis=1), (2, 3), nd.array([0, 2]))
loss(gluon.loss.KLDivLoss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.KLDivLoss(from_logits=False), (2, 3), (2, 3))
loss(gluon.loss.HuberLoss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.HuberLoss(rho=0.3, weight=2.0), (2, 3), (2, 3))
loss(gluon.loss.HingeLoss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.HingeLoss(margin=2), (2, 3), (2, 3))
loss(gluon.loss.SquaredHingeLoss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.LogisticLoss(), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.LogisticLoss(label_format="binary"), (2, 3), (2, 3))
gluon.loss.LogisticLoss(label_format="nosuch")
loss(gluon.loss.TripletLoss(), (2, 3), (2, 3), W(2, 3))
loss(gluon.loss.TripletLoss(margin=0.1), (2, 3), (2, 3), W(2, 3), W(2))
loss(gluon.loss.PoissonNLLLoss(), (2, 3), (2, 3))
loss(gluon.loss.PoissonNLLLoss(from_logits=False, compute_full=True), (2, 3), (2, 3), W(2, 1))
loss(gluon.loss.PoissonNLLLoss(weight=0.5, compute_full=True), (2, 3), (2, 3))
loss(gluon.loss.CosineEmbeddingLoss(), (2, 3), (2, 3), nd.array([1, -1]))
loss(gluon.loss.CosineEmbeddingLoss(margin=0.1, weight=2), (2, 3), (2, 3), nd.array([1, -1]), W(2, 1))
loss(gluon.loss.CosineEmbeddingLoss(), (2, 3), (2, 3), nd.array([[1], [-1]]))
loss(gluon.loss.SDMLLoss(), (3, 4), (3, 4))
loss(gluon.loss.SDMLLoss(smoothing_parameter=0.1, weight=2.0), (3, 4), (3, 4))
loss(gluon.loss.CTCLoss(), (2, 6, 4), nd.array([[1, 0, -1], [2, 1, 1]]))
loss(gluon.loss.CTCLoss(layout="TNC", label_layout="TN"), (6, 2, 4), nd.array([[1, 2], [0, 1], [-1, 1]]))
loss(gluon.loss.CTCLoss(), (2, 6, 4), nd.array([[1, 0, 3], [2, 1, 1]]), nd.array([5, 6]), nd.array([2, 3]))
loss(gluon.loss.CTCLoss(weight=2.0), (2, 6, 4), nd.array([[1, 0, -1], [2, 1, 1]]), None, None, W(2))
repr(gluon.loss.L2Loss())
repr(gluon.loss.SoftmaxCELoss(weight=2, batch_axis=1))
loss(gluon.loss.L2Loss(weight="a"), (2, 3), (2, 3))
# --- utils
gluon.utils.split_data(nd.arange(10).reshape((5, 2)), 2, even_split=False)
gluon.utils.split_data(nd.arange(10).reshape((5, 2)), 3, even_split=False)
gluon.utils.split_data(nd.arange(14).reshape((7, 2)), 4, even_split=False)
gluon.utils.split_data(nd.arange(10).reshape((5, 2)), 2)
gluon.utils.split_data(nd.arange(12).reshape((2, 6)), 3, batch_axis=1)
gluon.utils.split_data(nd.arange(2), 3, even_split=False)
gluon.utils.split_data(nd.arange(3), 3)
gluon.utils.split_and_load(nd.arange(6), [mx.cpu(0), mx.cpu(1)])
gluon.utils.split_and_load(np.arange(6), [mx.cpu(0)])
x = nd.array([3.0, 4.0]); [gluon.utils.clip_global_norm([x], 1.0), x]
x = nd.array([3.0, 4.0]); [gluon.utils.clip_global_norm([x], 9.0), x]
x = nd.array([3.0, 4.0]); [gluon.utils.clip_global_norm([x, nd.ones((2, 2))], 1.0, check_isfinite=False), x]
gluon.utils.clip_global_norm([], 1.0)
# --- metrics
metric(mx.metric.Accuracy())
metric(mx.metric.create("acc"))
metric(mx.metric.TopKAccuracy(top_k=2))
metric(mx.metric.CrossEntropy())
metric(mx.metric.NegativeLogLikelihood())
metric(mx.metric.Perplexity(None))
metric(mx.metric.Perplexity(0))
metric(mx.metric.F1())
metric(mx.metric.F1(average="micro"))
metric(mx.metric.MCC())
metric(mx.metric.MCC(average="micro"))
metric(mx.metric.PCC())
metric(mx.metric.Loss())
metric(mx.metric.Torch())
numbers(mx.metric.MAE())
numbers(mx.metric.MSE())
numbers(mx.metric.RMSE())
numbers(mx.metric.PearsonCorrelation())
numbers(mx.metric.CustomMetric(lambda label, pred: float(abs(label - pred).max()), name="far"))
numbers(mx.metric.np(lambda label, pred: float(abs(label - pred).max())))
numbers(mx.metric.create(["mae", "mse"]))
mx.metric.Accuracy().get_config()
mx.metric.TopKAccuracy(top_k=3).get_config()
mx.metric.create(["acc", "mae"]).get_config()
mx.metric.CrossEntropy(eps=0.1, output_names=["a"]).get_config()
mx.metric.create("nosuch")
mx.metric.create("top_k_acc", top_k=3).name
str(mx.metric.create("acc"))
m = mx.metric.Accuracy(); m.update([nd.array([1, 0])], [nd.array([[0.1, 0.9], [0.2, 0.8]])]); m.reset_local(); [m.get(), m.get_global()]
m = mx.metric.Accuracy(); m.update_dict({"l": nd.array([1])}, {"o": nd.array([[0.1, 0.9]])}); m.get()
m = mx.metric.Accuracy(output_names=["o"], label_names=["l"]); m.update_dict({"l": nd.array([1]), "z": nd.array([0])}, {"o": nd.array([[0.1, 0.9]]), "p": nd.array([0])}); m.get()
m = mx.metric.Accuracy(); m.update([nd.array([1, 0])], [nd.array([[0.1, 0.9]])])
m = mx.metric.MAE(); m.update([nd.array([1, 0])], [nd.array([1, 0]), nd.array([1, 0])])
mx.metric.Accuracy().get()[0]
# --- optimizers
step("sgd")
step("sgd", momentum=0.9, wd=0.1)
step("sgd", clip_gradient=0.1, rescale_grad=0.5)
step("nag", momentum=0.9)
step("signum")
step("signum", momentum=0.0, wd_lh=0.1)
step("adam", wd=0.1)
step("adamax")
step("nadam")
step("adagrad", wd=0.1)
step("adadelta", wd=0.1)
step("rmsprop", wd=0.1)
step("rmsprop", centered=True, clip_weights=0.3)
step("ftrl", wd=0.1)
step("ftml", wd=0.1)
step("lamb", wd=0.1)
step("lamb", lower_bound=0.1, upper_bound=0.2, bias_correction=False)
step("lars", wd=0.1, momentum=0.9)
step("dcasgd", wd=0.1)
step("test")
step("sgd", wd=0.3, clip_gradient=0.2, rescale_grad=0.7, momentum=0.9)
step("nag", wd=0.3, clip_gradient=0.2, rescale_grad=0.7, momentum=0.9)
step("signum", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("adam", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("adamax", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("nadam", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("adagrad", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("adadelta", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("rmsprop", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("rmsprop", wd=0.3, clip_gradient=0.2, rescale_grad=0.7, centered=True)
step("ftrl", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("ftml", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("lamb", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
step("lars", wd=0.3, clip_gradient=0.2, rescale_grad=0.7, momentum=0.9)
step("dcasgd", wd=0.3, clip_gradient=0.2, rescale_grad=0.7, momentum=0.9)
step("test", wd=0.3, clip_gradient=0.2, rescale_grad=0.7)
mx.optimizer.create("nosuch")
mx.optimizer.create("sgd", learning_rate=0.3).learning_rate
mx.optimizer.Optimizer(learning_rate=0.2).learning_rate
o = mx.optimizer.Optimizer(lr_scheduler=mx.lr_scheduler.FactorScheduler(step=1)); o.set_learning_rate(0.5)
o = mx.optimizer.Optimizer(lr_scheduler=mx.lr_scheduler.FactorScheduler(step=1), learning_rate=0.3); o.learning_rate
o = mx.optimizer.create("sgd", param_idx2name={0: "a_weight", 1: "a_bias"}, wd=0.1); [o._get_wd(0), o._get_wd(1), o._get_lr(0)]
o = mx.optimizer.create("sgd"); o.set_lr_mult({0: 0.5}); o.set_wd_mult({0: 0.5}); [o._get_lr(0), o._get_lr(1), o._get_wd(0)]
u = mx.optimizer.get_updater(mx.optimizer.create("sgd", learning_rate=0.5)); w = nd.ones(2); u(0, nd.ones(2), w); w
[mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=1.0)(i) for i in (0, 1, 2, 3, 5, 9)]
[mx.lr_scheduler.MultiFactorScheduler([2, 5], 0.5, base_lr=1.0)(i) for i in (0, 1, 2, 3, 5, 9)]
s = mx.lr_scheduler.PolyScheduler(10, base_lr=1.0, pwr=3, final_lr=0.1); [s(i) for i in (0, 1, 5, 10, 20)]
s = mx.lr_scheduler.CosineScheduler(10, base_lr=1.0, final_lr=0.1); [s(i) for i in (0, 1, 5, 10, 20)]
[mx.lr_scheduler.CosineScheduler(10, base_lr=1.0, warmup_steps=3, warmup_begin_lr=0.1)(i) for i in (0, 1, 2, 3, 5)]
[mx.lr_scheduler.FactorScheduler(4, 0.5, base_lr=1.0, warmup_steps=3, warmup_begin_lr=0.1, warmup_mode="constant")(i) for i in (0, 1, 2, 3, 5)]
mx.lr_scheduler.FactorScheduler(0)
mx.lr_scheduler.FactorScheduler(1, factor=2.0)
mx.lr_scheduler.MultiFactorScheduler([5, 2])
mx.lr_scheduler.LRScheduler(warmup_mode="nosuch")
# --- initializers
initial(mx.init.One())
initial(mx.init.Zero())
initial(mx.init.Constant(2.5))
initial("ones")
initial("nosuch")
initial(mx.init.Mixed([".*"], [mx.init.One()]))
initial(mx.init.Load({"a_weight": nd.full((2, 3), 7)}))
initial(mx.init.Load({"b_weight": nd.full((2, 3), 7)}))
initial(mx.init.Load({"b_weight": nd.full((2, 3), 7)}, default_init=mx.init.One()))
spread(mx.init.Uniform(0.5))
spread(mx.init.Normal(0.5))
spread(mx.init.Xavier())
spread(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
spread(mx.init.MSRAPrelu())
spread(mx.init.Orthogonal())
mx.init.Xavier(rnd_type="nosuch")
initial(mx.init.Xavier(), name="a_bias", shape=(3,))
initial(mx.init.Xavier(), name="a_weight", shape=(3,))
initial(mx.init.Uniform(), name="a_gamma", shape=(3,))
initial(mx.init.Uniform(), name="a_nosuch", shape=(3,))
initial(mx.init.Uniform(), name="a_running_var", shape=(3,))
mx.init.Xavier().dumps()
mx.init.Uniform(0.5) == mx.init.Uniform(0.5)
# --- data
list(gluon.data.SequentialSampler(3))
list(gluon.data.SequentialSampler(3, 2))
sorted(map(int, gluon.data.RandomSampler(5)))
list(gluon.contrib.data.IntervalSampler(7, 3))
list(gluon.contrib.data.IntervalSampler(7, 3, rollover=False))
list(gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2, "keep"))
list(gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2, "discard"))
b = gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2, "rollover"); [list(b), list(b), len(b)]
list(gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2, "nosuch"))
list(gluon.data.FilterSampler(lambda x: x > 2, [1, 2, 3, 4]))
d = gluon.data.ArrayDataset(nd.arange(6).reshape((3, 2)), np.arange(3), [7, 8, 9]); [len(d), list(d[1])]
d = gluon.data.ArrayDataset(nd.arange(3)); [type(d[1]).__name__, float(d[1])]
d = gluon.data.ArrayDataset(nd.arange(3), nd.arange(2))
d = gluon.data.ArrayDataset()
d = gluon.data.SimpleDataset([1, 2, 3]).transform(lambda x: x * 2); [d[i] for i in range(3)]
d = gluon.data.SimpleDataset([(1, 2), (3, 4)]).transform_first(lambda x: x * 2); [list(d[i]) for i in range(2)]
d = gluon.data.SimpleDataset(list(range(10))).filter(lambda x: x % 3 == 0); [d[i] for i in range(len(d))]
d = gluon.data.SimpleDataset(list(range(10))).shard(3, 1); [d[i] for i in range(len(d))]
d = gluon.data.SimpleDataset(list(range(10))).take(3); [d[i] for i in range(len(d))]
d = gluon.data.SimpleDataset(list(range(10))).sample(gluon.contrib.data.IntervalSampler(10, 5)); [d[i] for i in range(len(d))]
d = gluon.data.SimpleDataset(list(range(10))).shard(3, 5)
[x for x in gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(6).reshape((3, 2)), [7, 8, 9]), batch_size=2)]
[x for x in gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)), batch_size=2, last_batch="discard")]
[x for x in gluon.data.DataLoader(np.arange(6).reshape((3, 2)), batch_size=2)]
[x for x in gluon.data.DataLoader([(1, 2.5), (3, 4.5)], batch_size=2)]
[x for x in gluon.data.DataLoader(np.arange(6, dtype="float64"), batch_size=4, num_workers=0)]
l = gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)), batch_size=2, last_batch="rollover"); [len(l), len(list(l)), len(list(l))]
gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)))
gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)), batch_size=2, shuffle=True, sampler=gluon.data.SequentialSampler(5))
gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)), batch_size=2, batch_sampler=gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2))
gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)), batch_size=2, timeout=0)
[x for x in gluon.data.DataLoader(gluon.data.ArrayDataset(nd.arange(5)), batch_size=2, thread_pool=True, num_workers=2, prefetch=1, pin_memory=False, timeout=9)]
gluon.data.vision.transforms.ToTensor()(nd.full((2, 2, 3), 255, dtype="uint8"))
gluon.data.vision.transforms.Normalize(0.5, 0.25)(nd.ones((3, 2, 2)))
gluon.data.vision.transforms.Normalize((0.1, 0.2, 0.3), (1, 2, 3))(nd.ones((3, 2, 2)))
gluon.data.vision.transforms.Cast("float64")(nd.ones((2, 2)))
gluon.data.vision.transforms.Compose([gluon.data.vision.transforms.ToTensor(), gluon.data.vision.transforms.Normalize(0.5, 0.25)])(nd.ones((2, 2, 3), dtype="uint8"))
# --- iterators
batches(mx.io.NDArrayIter(np.arange(10).reshape((5, 2)), np.arange(5), 2))
batches(mx.io.NDArrayIter(np.arange(10).reshape((5, 2)), np.arange(5), 2, last_batch_handle="discard"))
batches(mx.io.NDArrayIter(np.arange(10).reshape((5, 2)), np.arange(5), 2, last_batch_handle="roll_over"))
batches(mx.io.NDArrayIter(np.arange(6).reshape((3, 2)), np.arange(3), 8))
batches(mx.io.NDArrayIter({"b": nd.arange(4), "a": nd.arange(4)}, batch_size=2))
batches(mx.io.NDArrayIter([nd.arange(4), nd.arange(4)], {"y": np.arange(4)}, batch_size=3))
batches(mx.io.NDArrayIter(nd.arange(12).reshape((3, 4)), batch_size=2, layout="CN"))
batches(mx.io.ResizeIter(mx.io.NDArrayIter(nd.arange(4), nd.arange(4), 2), 3))
batches(mx.io.PrefetchingIter(mx.io.NDArrayIter(nd.arange(4), nd.arange(4), 2)))
mx.io.NDArrayIter(nd.arange(4), nd.arange(3), 2)
mx.io.NDArrayIter(None, batch_size=2)
mx.io.NDArrayIter("a", batch_size=2)
[list(x) for x in mx.io.NDArrayIter(nd.ones((4, 2), dtype="uint8"), nd.ones(4), 2).provide_data]
repr(mx.io.DataDesc("data", (2, 3)))
mx.io.DataDesc("data", (2, 3)) == ("data", (2, 3))
mx.io.DataDesc.get_batch_axis("TNC")
str(mx.io.DataBatch([nd.ones(2)], [nd.ones(1)]))
str(mx.io.DataBatch([nd.ones(2)]))
mx.io.DataBatch(nd.ones(2))
# --- stores
k = mx.kv.create("local"); k.init("3", nd.ones(2)); k.push("3", [nd.ones(2), nd.ones(2)]); o = nd.zeros(2); k.pull("3", out=o); o
k = mx.kv.create("device"); k.init([1, 2], [nd.ones(2), nd.ones(3)]); o = [nd.zeros(2), nd.zeros(3)]; k.pull([1, 2], out=o); o
k = mx.kv.create("local"); k.init("3", nd.ones(2)); x = [nd.ones(2), nd.ones(2) * 3]; k.pushpull("3", x); x
k = mx.kv.create("local"); o = nd.zeros(2); k.broadcast("3", nd.ones(2), out=o); o
k = mx.kv.create("local"); k.set_optimizer(mx.optimizer.create("sgd", learning_rate=0.5)); k.init(0, nd.ones(2)); k.push(0, nd.ones(2)); o = nd.zeros(2); k.pull(0, out=o); o
k = mx.kv.create("local"); k.push("3", nd.ones(2))
k = mx.kv.create("local"); k.init("3", nd.ones(2)); k.init("3", nd.ones(2))
k = mx.kv.create("local"); [k.type, k.rank, k.num_workers, k.is_capable("optimizer")]
mx.kv.create("nosuch")
mx.kv.create(3)
# --- symbols by hand
mx.sym.FullyConnected(num_hidden=3, name="fc").list_arguments()
exec("with mx.name.Prefix('pre_'):\n y = mx.sym.FullyConnected(mx.sym.var('x'), num_hidden=2, name='fc')", globals()); [y.name, y.list_arguments()]
exec("with mx.AttrScope(group='4', data='great'):\n x = mx.sym.var('x', attr={'group': '1'}, lr_mult=1); z = mx.sym.var('z')", globals()); [x.attr("group"), z.attr("group"), x.attr("lr_mult"), x.attr("__lr_mult__"), z.attr("data"), z.attr("nosuch")]
x = mx.sym.var("x"); (x * 2 + 1).eval(x=nd.array([1, 2]))
x = mx.sym.var("x"); mx.test_utils.check_symbolic_forward(x * x, [np.array([1.0, 2.0])], [np.array([1.0, 4.0])])
x = mx.sym.var("x"); mx.test_utils.check_symbolic_forward(x * x, [np.array([1.0, 2.0])], [np.array([1.0, 4.1])])
x = mx.sym.var("x"); mx.test_utils.check_symbolic_backward(x * x, {"x": np.array([1.0, 2.0])}, [np.ones(2)], {"x": np.array([2.0, 4.0])})
x = mx.sym.var("x"); mx.test_utils.check_symbolic_backward(x * x, [np.array([1.0, 2.0])], [np.ones(2)], [np.array([2.0, 5.0])])
x = mx.sym.var("x"); mx.test_utils.check_numeric_gradient(mx.sym.tanh(x), [np.array([0.5, 0.7])])
x = mx.sym.var("x"); mx.test_utils.check_numeric_gradient(mx.sym.BlockGrad(x * x), [np.array([0.5, 0.7])])
x = mx.sym.var("x"); mx.test_utils.simple_forward(x * x, x=np.array([1.0, 2.0]))
s = mx.lr_scheduler.FactorScheduler(3, 0.7, 1e-6, 0.1); [s(i) for i in range(1, 200, 7)]
s = mx.lr_scheduler.MultiFactorScheduler([3, 6, 9, 40], 0.3, 0.1); [s(i) for i in range(1, 60, 5)]
"""

PROGRAMS: list[Any] = []

_INTERNAL = "internal to MXNet's Python package: a module or helper that it imports there"
_RANDOM_DEFAULT = "the same: initial values are uniform, by a default that is made when it is used"
_STEPS = "the same rate: None stands for the optimizer's own default, or the scheduler's rate"
_ANY_INPUTS = "a block may take any inputs, and names them itself"
_SPARSE = "lamina's arrays are dense"
_ARRAY_CLASS = "the class of arrays is lamina's own; arrays are made by nd.array"
_GRAPHS = (
    "a symbol is computed by an executor or gluon.SymbolBlock; other graph tools have nothing to work on"
)
_METHOD = "the method is there; only a listing of the class does not show it"

SETTLED: dict[str, str] = {
    "mx.visualization.Symbol*": _INTERNAL,
    "mx.visualization.print_summary(positions)": "the same",
    "mx.visualization.plot_network(node_attrs)": "the same",
    "mx.model.FeedForward": "the class is there; only a listing of the module does not show it",
    **dict.fromkeys(
        (
            "mx.gluon.tensor_types", "mx.gluon.loss.is_np_array", "mx.gluon.loss.ndarray", "mx.gluon.loss.np",
            "mx.gluon.loss.numeric_types", "mx.gluon.utils.is_np_*", "mx.gluon.utils.ndarray",
            "mx.gluon.utils.replace_file", "mx.gluon.data.vision.transforms.Hybrid*",
            "mx.gluon.data.vision.transforms.image", "mx.gluon.data.vision.transforms.is_np_array",
            "mx.gluon.data.vision.transforms.numeric_types", "mx.metric.ndarray", "mx.metric.numeric_types",
            "mx.metric.numpy", "mx.metric.registry", "mx.metric.string_types", "mx.io.io", "mx.io.utils",
            "mx.optimizer.NDabs", "mx.lr_scheduler.pi", "mx.init*.is_np_array", "mx.init*.load", "mx.init*.ndarray",
            "mx.init*.random", "mx.init*.registry", "mx.init*.string_types", "mx.init.np", "mx.init.NDArray",
            "mx.kv*.base", "mx.kv*.kvstore", "mx.model.Context", "mx.model.DataDesc", "mx.model.SKLEARN_INSTALLED",
            "mx.model.Uniform", "mx.model.cpu", "mx.model.get_updater", "mx.model.io", "mx.model.kvs",
            "mx.model.metric", "mx.model.mx_real_t", "mx.model.np", "mx.model.opt", "mx.model.sym",
            "mx.model.LogValidationMetricsCallback", "mx.model.DataParallelExecutorManager", "mx.operator.c_*",
            "mx.operator.MXCallbackList", "mx.operator.OperatorArguments", "mx.operator.check_call",
            "mx.operator.context", "mx.operator.ctypes2numpy_shared", "mx.operator.get_*", "mx.operator.is_np_array",
            "mx.operator.py_str", "mx.operator.symbol", "mx.callback.save_checkpoint",
        ),
        _INTERNAL,
    ),
    **dict.fromkeys(
        ("mx.gluon.*initialize(init)", "mx.gluon.*initialize(default_init)", "mx.gluon.nn.PReLU(alpha_initializer)"),
        _RANDOM_DEFAULT,
    ),
    "mx.optimizer.*(learning_rate)": _STEPS,
    **dict.fromkeys(("mx.gluon.*Block.forward(x)", "mx.gluon.*Block.hybrid_forward(x)"), _ANY_INPUTS),
    **dict.fromkeys(
        (
            "mx.gluon.*row_sparse_data", "mx.operator.CustomOpProp.infer_storage_type*",
        ),
        _SPARSE,
    ),
    **dict.fromkeys(("mx.*.NDArray(handle)", "mx.*.NDArray(writable)"), _ARRAY_CLASS),
    **dict.fromkeys(("mx.kv*.KVStore(handle)",), "a store is made by mx.kv.create"),
    **dict.fromkeys(("mx.gluon.Parameter.dtype", "mx.gluon.Constant.dtype"), "an attribute of each parameter"),
    **dict.fromkeys(
        ("mx.gluon.*.register_op_hook", "mx.gluon.*.optimize_for"),
        "register_forward_hook looks into networks; there is no operator backend",
    ),
    "mx.gluon.*.infer_type": "parameters have the dtype of their layer; cast changes it",
    "mx.gluon.data.vision.*(root)": "without a root, MNIST comes with lamina, and others are downloaded and kept",
    "mx.optimizer.ccSGD": "an old name of SGD; mx.optimizer.create('ccsgd') knows it",
    "mx.optimizer.Optimizer.opt_registry": "mx.optimizer.register and create know all names",
    "mx.optimizer.Optimizer.set_lr_scale": "gone in MXNet, too: it raises DeprecationWarning. Use set_lr_mult",
    "mx.symbol.Symbol.list_attr(recursive)": "gone in MXNet, too: it raises DeprecationWarning. Use attr_dict",
    "mx.kv*.KVStore.is_capable(capability)": _METHOD,
    **{
        f"mx.symbol.Symbol.{name}": _GRAPHS
        for name in (
            "infer_shape_partial", "infer_type*", "gradient", "debug_str", "get_backend_symbol", "optimize_for",
            "handle", "as_n?_ndarray", "wait_to_read",
        )
    },
    **dict.fromkeys(("mx.symbol.Symbol.depth_to_space", "mx.symbol.Symbol.space_to_depth"), "for pictures' planes"),
    "mx.symbol.Symbol.*": _METHOD,
    'x = mx.sym.var("data"); d = nn.Dense(3, prefix="d_"); d.cast("float64"); [np.dtype(p.dtype).name for p in gluon.SymbolBlock(d(x), x).collect_params().values()]': (
        "the type that the parameters' variables have; in MXNet the input's, if they differ"
    ),
    **dict.fromkeys(
        (
            "layer(nn.LayerNorm(axis=1, center=False), (2, 3, 4))", "layer(nn.GroupNorm(), (2, 4, 3))",
            "layer(nn.InstanceNorm(in_channels=4, axis=2, scale=True, epsilon=1e-3), (2, 3, 4))",
            "layer(nn.InstanceNorm(), (2, 3, 4))", "layer(nn.InstanceNorm(in_channels=3), (2, 3, 4, 2))",
        ),
        "rounding: the true gradient is 0",
    ),
    "nn.Dropout(2)": "told at once; in MXNet every output is infinite",
    "repr(nn.PReLU())": "MXNet shows an empty pair of parentheses",
    "loss(gluon.loss.TripletLoss(margin=0.1)*": "lamina's takes a sample_weight, too",
    "loss(gluon.loss.PoissonNLLLoss(*compute_full=True)*": "broken in MXNet under autograd.record: it writes into an array",
    "mx.metric.TopKAccuracy(top_k=3).get_config()": "so that create makes the same name of it; MXNet makes top_k_accuracy_3_3",
    'step("dcasgd", wd=0.3, clip_gradient=0.2, rescale_grad=0.7, momentum=0.9)': (
        "broken in MXNet: it asks whether the momentum, an array, is true"
    ),
    'step("signum", momentum=0.0, wd_lh=0.1)': "broken in MXNet: its signsgd_update has no wd_lh",
    'mx.init.Xavier(rnd_type="nosuch")': "told at once, and not at the first array",
    'initial(mx.init.Uniform(), name="a_running_var", shape=(3,))': "running variances start from 1, in MXNet by BatchNorm alone",
    "batches(mx.io.NDArrayIter(nd.arange(12).reshape((3, 4)), batch_size=2, layout=*": "broken in MXNet: it counts axis 0",
    "mx.io.NDArrayIter(nd.arange(4), nd.arange(3), 2)": "told at once; MXNet ends in the middle of a pass",
    'mx.kv.create("nosuch")': "MXNet makes a local store of any name",
}  # fmt: skip
"""What differs on purpose, by subject or pattern; names that stand in `lamina.outside` are settled there."""
