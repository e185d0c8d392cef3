"""Names from PyTorch, Keras, NumPy and scikit-learn, with lamina's equivalents for error messages.

docs/tutorials/from-pytorch.md shows PyTorch's and lamina's names side by side.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn, TypeVar

from lamina.support.messages import suggesting

__all__ = [
    "ARGUMENTS", "ESTIMATORS_ARGUMENTS", "LOADERS_ARGUMENTS", "OPERATORS_ARGUMENTS", "OPTIMIZERS_ARGUMENTS",
    "no_member", "of_module", "telling",
]  # fmt: skip

T = TypeVar("T", bound=type)

_PREDICTS = "A network predicts as it is, and trains inside `with autograd.record():`"
_ON_DEVICE = "Use x.as_in_context(mx.cpu()), or x.as_in_context(mx.gpu())"
_SEED = "Use mx.random.seed(0)"
_UNRECORDED = "Nothing is recorded outside autograd.record(); inside it, use `with autograd.pause():`"
_SUBCLASS = "Subclass gluon.Block, and override `forward`"
_CHILDREN = "Assign the blocks to attributes, or add them to an nn.Sequential"
_ARRAY = "Use nd.array(values)"
_ARRAYS = "The type of arrays is nd.NDArray; nd.array(values) makes one"
_SOFTMAX = "Use nd.softmax(x); gluon.loss.SoftmaxCrossEntropyLoss takes what comes before the softmax"
_CROSS_ENTROPY = "Use gluon.loss.SoftmaxCrossEntropyLoss()"
_BINARY = "Use gluon.loss.SigmoidBinaryCrossEntropyLoss()"
_SQUARES = "Use gluon.loss.L2Loss(), half the square"
_ABSOLUTE = "Use gluon.loss.L1Loss()"
_OPTIMIZERS = 'Use gluon.Trainer(net.collect_params(), "adam"), or a class of lamina.optimizer'
_ESTIMATORS = (
    "fit, predict and score are methods of the estimators lamina.MLPClassifier and lamina.MLPRegressor"
)

_JACOBIAN = "Call autograd.grad(y[i], [x], retain_graph=True) for each output i: the rows of the Jacobian"

_LOSSES = {
    **dict.fromkeys(("CrossEntropyLoss", "NLLLoss", "CategoricalCrossentropy"), _CROSS_ENTROPY),
    **dict.fromkeys(("BCELoss", "BCEWithLogitsLoss", "BinaryCrossentropy"), _BINARY),
    **dict.fromkeys(("MSELoss", "MeanSquaredError"), _SQUARES),
    **dict.fromkeys(("L1loss", "MAELoss", "MeanAbsoluteError"), _ABSOLUTE),
    **dict.fromkeys(("SmoothL1Loss", "Huber"), "Use gluon.loss.HuberLoss()"),
}
_RECURRENT = "Write the step with nd.dot and nd.tanh, and the loop in Python: it is compiled while it runs"
_SCHEDULES = {
    "OneCycleLR": "Use lr_scheduler.CosineScheduler(max_update=steps, base_lr=rate, warmup_steps=steps // 3)",
    "StepLR": "Use lr_scheduler.FactorScheduler(step=steps, factor=0.1), which counts updates, not epochs",
    "MultiStepLR": "Use lr_scheduler.MultiFactorScheduler(step=[…], factor=0.1), which counts updates, not epochs",
    "CosineAnnealingLR": "Use lr_scheduler.CosineScheduler(max_update=steps, base_lr=rate)",
    "ReduceLROnPlateau": "Call trainer.set_learning_rate(rate) where the validation loss no longer falls",
}
_EARLY_STOPPING = (
    "The estimators stop early (early_stopping); in a loop, compare the validation loss and break"
)
_LAYERS = {
    **_LOSSES,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "SimpleRNN"), _RECURRENT),
    **dict.fromkeys(
        ("MultiheadAttention", "MultiHeadAttention"),
        "Write it of nn.Dense layers, nd.contrib.interleaved_matmul_selfatt_qk, nd.softmax and "
        "nd.contrib.interleaved_matmul_selfatt_valatt",
    ),
    "Linear": "Use nn.Dense(units), which finds the number of its inputs, or nn.Dense(units, in_units=inputs)",
    **{
        name: f'Use nn.Activation("{said}"), or nn.Dense(units, activation="{said}")'
        for name, said in {
            "ReLU": "relu",
            "Tanh": "tanh",
            "Sigmoid": "sigmoid",
            "Softplus": "softrelu",
        }.items()
    },
    **dict.fromkeys(("Softmax", "LogSoftmax"), _SOFTMAX),
    **dict.fromkeys(("BatchNorm1d", "BatchNormalization"), "Use nn.BatchNorm()"),
    **dict.fromkeys(("Module", "Model"), _SUBCLASS),
    **dict.fromkeys(("ModuleList", "ModuleDict"), _CHILDREN),
    **dict.fromkeys(("Input", "InputLayer"), "Layers find the number of their inputs at the first call"),
    "LayerNormalization": "Use nn.LayerNorm()",
    "Parameter": "Use gluon.Parameter, or self.params.get(name, shape=…) in a block",
    "functional": "Functions of arrays are in lamina.nd",
    "Identity": "Use nn.Lambda(lambda x: x)",
}
_FUNCTIONS = {
    **dict.fromkeys(("tensor", "as_tensor", "asarray", "Variable", "constant"), _ARRAY),
    "Tensor": _ARRAYS,
    **dict.fromkeys(("randn", "normal_"), "Use nd.random.normal(shape=(2, 3))"),
    "rand": "Use nd.random.uniform(shape=(2, 3))",
    "randint": "Use nd.random.randint(low, high, shape=(2, 3))",
    **dict.fromkeys(("mm", "matmul", "einsum"), "Use nd.dot(a, b), or nd.batch_dot for stacks of matrices"),
    **dict.fromkeys(("cat", "concatenate_"), "Use nd.concat(a, b, dim=0)"),
    "vstack": "Use nd.concat(a, b, dim=0)",
    "hstack": "Use nd.concat(a, b, dim=1)",
    "pow": "Use nd.power(x, 2), or x**2",
    "permute": "Use nd.transpose(x, axes=(1, 0))",
    "unsqueeze": "Use nd.expand_dims(x, axis=0)",
    "cross_entropy": _CROSS_ENTROPY,
    "no_grad": _UNRECORDED,
    "manual_seed": _SEED,
}

ARGUMENTS = {
    **dict.fromkeys(("input_shape", "input_dim", "in_features"), "in_units"),
    "out_features": "units",
    "bias": "use_bias",
    "kernel_initializer": "weight_initializer",
    "p": "rate",
    "num_features": "in_channels",
    "eps": "epsilon",
    "num_embeddings": "input_dim",
    "embedding_dim": "output_dim",
}
"""Argument names of other libraries' layers, with lamina's."""

OPERATORS_ARGUMENTS = {
    **dict.fromkeys(("dim", "dims"), "axis"),
    **dict.fromkeys(("keepdim", "keep_dims"), "keepdims"),
    **dict.fromkeys(("input", "x", "a", "tensor"), "data"),
    "axis": "dim",  # of concat
    "device": "ctx",
    "num_classes": "depth",
    "size": "shape",
}
"""Argument names of other libraries' functions of arrays, with lamina's."""

OPTIMIZERS_ARGUMENTS = {"eps": "epsilon", "lr": "learning_rate", "weight_decay": "wd"}
"""Argument names of other libraries' optimizers, with lamina's."""

LOADERS_ARGUMENTS = {
    "collate_fn": "batchify_fn",
    "drop_last": "last_batch",
    "persistent_workers": "auto_reload",
    "prefetch_factor": "prefetch",
}
"""Argument names of other libraries' data loaders, with lamina's."""

ESTIMATORS_ARGUMENTS = {
    **dict.fromkeys(
        ("hidden", "hidden_sizes", "hidden_layers", "hidden_units", "layers", "units"), "hidden_layer_sizes"
    ),
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs", "max_epochs", "max_iters"), "max_iter"),
    **dict.fromkeys(("lr", "eta"), "learning_rate_init"),
    **dict.fromkeys(("seed", "random_seed"), "random_state"),
    **dict.fromkeys(("optimizer", "optim"), "solver"),
    **dict.fromkeys(("patience", "early_stopping_rounds"), "n_iter_no_change"),
    **dict.fromkeys(("dropout_rate", "dropout_prob", "p_drop"), "dropout"),
    **dict.fromkeys(("wd", "l2"), "weight_decay"),
    **dict.fromkeys(("n_estimators", "n_ens", "ensemble_size", "n_members"), "members"),
    **dict.fromkeys(("n_threads", "num_threads", "thread_count"), "n_jobs"),
    **dict.fromkeys(("cat_features", "categorical_features", "cat_col_names"), "column_kinds"),
    **dict.fromkeys(("monotone_constraints", "monotonic_cst"), "monotone"),
    **dict.fromkeys(("max_trials", "n_trials"), "trials"),
    **dict.fromkeys(("max_time", "timeout", "time_budget"), "time_limit"),
    **dict.fromkeys(("quantiles", "q"), "quantile"),
    "objective": "loss",
    "n_epochs_no_change": "n_iter_no_change",
    "verbosity": "verbose",
}
"""Parameter names of other tabular libraries' estimators, with lamina's."""

_OF_MODULES: dict[str, dict[str, str]] = {
    "lamina": {
        **dict.fromkeys(("tensor", "as_tensor", "constant", "Variable"), _ARRAY),
        **dict.fromkeys(("Tensor", "NDArray"), _ARRAYS),
        **dict.fromkeys(("no_grad", "inference_mode"), _UNRECORDED),
        **dict.fromkeys(("manual_seed", "seed"), _SEED),
        **dict.fromkeys(("optim", "optimizers"), _OPTIMIZERS),
        **dict.fromkeys(("layers", "keras"), "Layers are in lamina.gluon.nn, losses in lamina.gluon.loss"),
        **dict.fromkeys(
            ("cuda", "mps", "backends"), "Use mx.gpu() as ctx=; mx.context.num_gpus() counts them"
        ),
        **dict.fromkeys(("nn", "functional"), "Use lamina.gluon.nn for layers, lamina.nd for functions"),
        **dict.fromkeys(("losses", "loss"), "Losses are in lamina.gluon.loss"),
        **dict.fromkeys(("Module", "Model"), _SUBCLASS),
        **dict.fromkeys(
            ("amp", "autocast"),
            'Use net.hybridize(precision="bfloat16") on a GPU or a CPU with AMX or of AMD; others compute in float32',
        ),
        "half": 'Use x.astype("float16")',
        **dict.fromkeys(("jacobian", "vmap", "jacrev", "jacfwd"), _JACOBIAN),
        **_SCHEDULES,
        "utils": "DataLoader and data sets are in lamina.gluon.data",
        "Linear": _LAYERS["Linear"],
    },
    "lamina.nd": {**_FUNCTIONS, "functional": "Functions of arrays are in lamina.nd itself"},
    "lamina.optimizer": _SCHEDULES,
    "lamina.lr_scheduler": _SCHEDULES,
    "lamina.callback": {
        "EarlyStopping": _EARLY_STOPPING,
        "ModelCheckpoint": "Use callback.do_checkpoint(prefix), or net.save_parameters(path) where the loss is best",
    },
    "lamina.autograd": {
        **dict.fromkeys(("no_grad", "inference_mode"), _UNRECORDED),
        "GradientTape": "Use `with autograd.record():`, then loss.backward()",
        "enable_grad": "Use `with autograd.record():`",
        **dict.fromkeys(("jacobian", "functional"), _JACOBIAN),
        "Variable": _ARRAY,
    },
    "lamina.gluon": {
        **dict.fromkeys(("Module", "Model"), _SUBCLASS),
        "optim": _OPTIMIZERS,
        "Linear": _LAYERS["Linear"],
    },
    "lamina.gluon.nn": _LAYERS,
    "lamina.gluon.loss": _LOSSES,
    "lamina.gluon.data": {
        "TensorDataset": "Use gluon.data.ArrayDataset(x, y)",
        **dict.fromkeys(
            ("random_split", "Subset"),
            "Shuffle the rows, and use gluon.data.ArrayDataset(x[:n], y[:n]) and gluon.data.ArrayDataset(x[n:], y[n:])",
        ),
    },
}
"""Advice by module and name."""

_ARRAYS_METHODS = {
    **dict.fromkeys(("numpy", "to_numpy"), "Use x.asnumpy()"),
    **dict.fromkeys(("cpu", "cuda", "to"), _ON_DEVICE + '; x.astype("float32") changes the dtype'),
    **dict.fromkeys(("device", "is_cuda", "get_device"), "Use x.context"),
    **dict.fromkeys(("float", "double", "half", "long", "int", "type"), 'Use x.astype("float32")'),
    **dict.fromkeys(("requires_grad", "requires_grad_"), "Use x.attach_grad(), and autograd.record()"),
    "grad_fn": "autograd.grad(loss, [x]) and loss.backward() give gradients",
    "zero_": "Use x[:] = 0; backward() overwrites gradients, unless grad_req is 'add'",
    "fill_": "Use x[:] = value",
    **dict.fromkeys(("add_", "sub_", "mul_", "div_"), "Use x[:] = x + y, or x += y"),
    "copy_": "Use x[:] = y",
    "clone": "Use x.copy()",
    "view": "Use x.reshape((2, -1))",
    "permute": "Use x.transpose((1, 0))",
    "unsqueeze": "Use x.expand_dims(axis=0)",
    "contiguous": "Arrays are contiguous",
    "dim": "Use x.ndim",
    "numel": "Use x.size",
    **dict.fromkeys(("mm", "matmul"), "Use nd.dot(x, y)"),
    "std": "Use NumPy's: x.asnumpy().std(), or nd.sqrt(nd.mean(nd.square(x - nd.mean(x))))",
}
_BLOCKS_METHODS = {
    **dict.fromkeys(
        ("parameters", "named_parameters", "weights", "trainable_variables"), "Use net.collect_params()"
    ),
    **dict.fromkeys(("state_dict", "save_weights"), "Use net.save_parameters(path)"),
    "register_op_hook": "Use net.register_forward_hook(hook), also of each block within: net.apply visits them",
    "infer_type": "Use net.cast(dtype)",
    "optimize_for": "Use net.hybridize()",
    **dict.fromkeys(
        ("load_state_dict", "load_weights"),
        "Use net.load_parameters(path), or lamina.load_state_dict(net, path) for PyTorch's",
    ),
    **dict.fromkeys(("train", "eval"), _PREDICTS),
    **dict.fromkeys(("to", "cpu", "cuda"), "Use net.collect_params().reset_ctx(mx.cpu()), or mx.gpu()"),
    **dict.fromkeys(
        ("add_module", "append"), "Use net.add(block) of an nn.Sequential, or assign it to an attribute"
    ),
    **dict.fromkeys(("modules", "layers", "named_children"), "Use net.apply(function)"),
    **dict.fromkeys(("fit", "predict", "evaluate"), _ESTIMATORS),
    "compile": "Use net.hybridize(), and gluon.Trainer for the optimizer",
}
_TRAINERS_METHODS = {
    "zero_grad": "It is not needed: backward() overwrites gradients, unless grad_req is 'add'",
    "state_dict": "Use trainer.save_states(path)",
    "load_state_dict": "Use trainer.load_states(path)",
    "param_groups": "Use trainer.learning_rate and trainer.set_learning_rate(rate)",
}
_ESTIMATORS_METHODS = {
    **dict.fromkeys(("save_model", "save", "dump", "to_pickle"), "Use lamina.save(model, path)"),
    **dict.fromkeys(("load_model", "load"), "Use lamina.load(path)"),
    **dict.fromkeys(("to_onnx", "save_onnx"), "Use lamina.export_onnx(model, path)"),
    "evaluate": "Use model.score(X, y)",
    "history": "Use model.loss_curve_ and model.validation_scores_, or model.plot_learning_curve()",
    **dict.fromkeys(
        ("feature_importances_", "feature_importance", "get_feature_importance"),
        "Use model.plot_importance(X, y), whose display has the numbers, or model.shap_values(X)",
    ),
    **dict.fromkeys(("compile", "train"), "fit trains, and compiles by itself"),
    **dict.fromkeys(("parameters", "state_dict", "get_weights"), "Use model.coefs_ and model.intercepts_"),
}
_CLASSIFIERS_METHODS = {
    **_ESTIMATORS_METHODS,
    "decision_function": "Use predict_proba(X), or predict_log_proba(X)",
    "predict_classes": "Use predict(X)",
    **dict.fromkeys(
        ("predict_interval", "predict_quantiles", "predict_std"),
        "For classes use predict_set(X, coverage=0.9), a set with the true class, or "
        "predict_proba(X, return_std=True), the spread of the members",
    ),
}
_REGRESSORS_METHODS = {
    **_ESTIMATORS_METHODS,
    **dict.fromkeys(
        ("predict_proba", "predict_log_proba", "decision_function", "predict_set", "predict_std"),
        "For numbers use predict_interval(X, coverage=0.9), an interval with the true value, or "
        "predict(X, return_std=True), the spread of the members",
    ),
    "predict_quantiles": 'Use predict(X) of MLPRegressor(loss="quantile", quantile=[0.05, 0.5, 0.95])',
}
_OF_CLASSES = {
    "NDArray": _ARRAYS_METHODS,
    "Block": _BLOCKS_METHODS,
    "Trainer": _TRAINERS_METHODS,
    "MLPClassifier": _CLASSIFIERS_METHODS,
    "MLPRegressor": _REGRESSORS_METHODS,
}
_WITH_THESE_NAMES = ("lamina.nd", "lamina.gluon", "lamina.gluon.nn", "lamina.gluon.loss", "lamina.gluon.data")


def of_module(module: str, name: str) -> str | None:
    """Advice for a name that a module lacks, or None.

    >>> of_module("lamina.gluon.nn", "Module")
    'Subclass gluon.Block, and override `forward`'
    >>> of_module("lamina", "zeros")
    'Use lamina.nd.zeros'
    """
    if said := _OF_MODULES.get(module, {}).get(name):
        return said
    holders = (other for other in _WITH_THESE_NAMES if name in getattr(sys.modules.get(other), "__all__", ()))
    return next((f"Use {other}.{name}" for other in holders), None)


class _Telling:
    """A placeholder for a method that lamina lacks; access raises an error that names the alternative.

    ``hasattr`` returns False for the name. Unlike ``__getattr__``, the placeholder does not slow down access to other
    attributes. An attribute of the same name in a subclass or object takes precedence.
    """

    def __init__(self, owner: str, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, kind: type | None = None) -> NoReturn:
        raise no_member(self._owner, self._name, None if instance is None or kind is None else kind.__name__)


def no_member(owner: str, name: str, called: str | None = None) -> AttributeError:
    """The error for an attribute `name` that an object of class `owner` lacks, with lamina's alternative.

    `called` is the class name in the message, by default `owner`.

    >>> raise no_member("NDArray", "numpy")
    Traceback (most recent call last):
    AttributeError: 'NDArray' object has no attribute 'numpy'. Use x.asnumpy()
    """
    said = _OF_CLASSES[owner].get(name)
    message = f"{(called or owner)!r} object has no attribute {name!r}"
    return suggesting(f"{message}. {said}", name) if said else AttributeError(message)


def telling(cls: T) -> T:
    """A class decorator that makes other libraries' member names raise an error with lamina's name.

    ``dir`` does not list these names.
    """
    names = _OF_CLASSES[cls.__name__]
    for name in names:
        if hasattr(cls, name):
            raise TypeError(f"{cls.__name__}.{name} exists already")
        setattr(cls, name, _Telling(cls.__name__, name))
    usual: Any = cls.__dir__

    def __dir__(self: Any) -> list[str]:  # noqa: N807
        return [name for name in usual(self) if name not in names or hasattr(self, name)]

    cls.__dir__ = __dir__  # pyright: ignore[reportAttributeAccessIssue]
    return cls
