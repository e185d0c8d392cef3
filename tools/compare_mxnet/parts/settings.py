"""What layers, losses, optimizers, initializers, metrics, iterators … take as settings: kinds of values for each argument."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from parts import networks

NAMESPACES: tuple[str, ...] = ()
PROGRAMS: list[Any] = []

_NUMBERS = (
    "1; 0.5; 0; -0.5; np.float32(0.5); np.float16(0.5); np.int64(1); np.array(0.5); True; '0.5'; None; [0.5]"
)
_FEW_NUMBERS = "0; -0.5; np.float16(0.3); np.array(0.3); '0.5'; None"
_SOME_NUMBERS = "0.5; 0; np.array(0.5); '0.5'; None"
_WHOLES = "2; 1; np.int64(2); np.uint8(2); np.array(2); 2.0; 2.5; True; 0; -1; '2'; None; [2]"
_FLAGS = "True; False; 1; 0; np.bool_(True); np.array(False); None; 'True'; ''; []"
_FEW_FLAGS = "False; np.bool_(True); None; 'True'; ''"
_DTYPES = "'float32'; np.float32; np.dtype('float64'); 'float16'; 'int32'; 'uint8'; 'bool'; float; int; 'nosuch'; 'double'; 'f4'"
_WORDS = "None; 'a'; ''; 'a_'; 1; ['a']; np.str_('a')"
_INITIALIZERS = (
    "None; 'zeros'; 'Zero'; 'ONES'; mx.init.Constant(2); mx.init.One; 'constant'; 'nosuch'; 0.5; nd.ones(1); "
    '\'["constant", {"value": 3}]\'; lambda name, x: None'
)
_FUNCTIONS = "None; 'relu'; 'tanh'; 'sigmoid'; 'softrelu'; 'softsign'; 'Relu'; 'nosuch'; ''; 1; True; mx.nd.relu; np.str_('relu')"
_SOME_AXES = "0; 1; -1; np.array(1); None; '1'"
_AXES = "0; 1; 2; -1; -3; -4; np.int64(1); np.array(1); 1.5; None; (1,); [1]; '1'"

_GRID: list[tuple[str, str]] = [
    # --- layers
    ("layer(nn.Dense(?), (2, 5))", _WHOLES),
    ("layer(nn.Dense(3, ?), (2, 5))", _FUNCTIONS),
    ("layer(nn.Dense(3, use_bias=?), (2, 5))", _FEW_FLAGS),
    ("layer(nn.Dense(3, flatten=?), (2, 5, 4))", _FEW_FLAGS),
    ("dtypes(nn.Dense(3, in_units=2, dtype=?))", _DTYPES),
    ("dtypes(nn.Dense(3, dtype=?))", _DTYPES),
    ("weights(nn.Dense(3, in_units=2, weight_initializer=?))", _INITIALIZERS),
    ("weights(nn.Dense(3, in_units=2, bias_initializer=?))", _INITIALIZERS),
    ("layer(nn.Dense(3, in_units=?), (2, 2))", _WHOLES),
    ("repr(nn.Dense(3, in_units=?))", "2; 0; np.int64(2)"),
    ("nn.Dense(3, prefix=?).prefix.rstrip('0123456789_')", _WORDS),
    ("list(nn.Dense(3, prefix='d_', params=?).collect_params())", "None; nn.Dense(2, prefix='x_').params; nn.Dense(2, prefix='x_').collect_params(); {}; gluon.ParameterDict('q_'); 'a'; nn.Dense(2); []"),
    ("layer(nn.Activation(?), (2, 5))", _FUNCTIONS),
    ("layer(nn.Dropout(?), (2, 5))", _NUMBERS),
    ("layer(nn.Dropout(0.5, axes=?), (2, 5))", "(); (0,); (1,); (0, 1); [0]; 0; 1; np.array([0]); None; (5,); (-1,); 'a'; (0.0,); (np.int64(0),)"),
    ("dropped(nn.Dropout(?))", "0; 1; 1.0; True; False; np.float32(0.0); 0.5; 1.5; -0.1; '0.5'; None"),
    ("dropped(nn.Dropout(0.5, axes=?))", "(); (0,); (1,); (0, 1); [0]; 0; 1; np.array([0]); None; (5,); (-1,); 'a'; (0.0,); (np.int64(0),)"),
    ("looked_up(nn.Embedding(?, 2))", _WHOLES),
    ("looked_up(nn.Embedding(2, ?))", _WHOLES),
    ("dtypes(nn.Embedding(2, 3, dtype=?))", _DTYPES),
    ("weights(nn.Embedding(2, 3, weight_initializer=?))", _INITIALIZERS),
    ("looked_up(nn.Embedding(2, 3, sparse_grad=?))", _FLAGS),
    ("layer(nn.LeakyReLU(?), (2, 5))", _SOME_NUMBERS),
    ("layer(nn.ELU(?), (2, 5))", _SOME_NUMBERS),
    ("layer(nn.Swish(?), (2, 5))", _SOME_NUMBERS),
    ("layer(nn.PReLU(in_channels=?), (2, 2))", _WHOLES),
    ("weights(nn.PReLU(alpha_initializer=?))", _INITIALIZERS),
    *[
        line
        for name in ("BatchNorm", "LayerNorm", "InstanceNorm", "GroupNorm")
        for line in (
            (f"normed(nn.{name}(epsilon=?), (3, 2, 5))", _SOME_NUMBERS),
            (f"normed(nn.{name}(center=?), (3, 2, 5))", _FEW_FLAGS),
            (f"normed(nn.{name}(scale=?), (3, 2, 5))", _FEW_FLAGS),
            (f"weights(nn.{name}(beta_initializer=?), (3, 2, 2))", _INITIALIZERS),
            (f"weights(nn.{name}(gamma_initializer=?), (3, 2, 2))", _INITIALIZERS),
        )
    ],
    *[
        line
        for name in ("BatchNorm", "LayerNorm", "InstanceNorm")
        for line in (
            (f"normed(nn.{name}(axis=?), (3, 2, 5))", _SOME_AXES),
            (f"normed(nn.{name}(in_channels=?), (3, 2, 5))", "2; np.int64(2); 0; 2.5; '2'; None"),
        )
    ],
    ("normed(nn.GroupNorm(?), (3, 4, 5))", "2; np.int64(2); 1; 3; -1; 2.5; None"),
    ("moved(nn.BatchNorm(momentum=?))", _NUMBERS),
    ("moved(nn.BatchNorm(use_global_stats=?))", _FEW_FLAGS),
    ("weights(nn.BatchNorm(running_mean_initializer=?), (3, 2))", _INITIALIZERS),
    ("weights(nn.BatchNorm(running_variance_initializer=?), (3, 2))", _INITIALIZERS),
    ("layer(nn.HybridLambda(?), (2, 5))", "'tanh'; lambda F, x: x; 'nosuch'; None; 1; mx.nd.tanh"),
    ("nn.Lambda(?)(nd.ones(2))", "'tanh'; lambda x: x; 'nosuch'; None; 1; mx.nd.tanh"),
    ("concurrent(?)", _AXES),
    ("[len(n) for n in [nn.HybridSequential(prefix='a_')] if n.add(?) is None]", "nn.Dense(2); 1; None; [nn.Dense(2)]; 'a'; nn.Lambda('tanh'); nn.HybridLambda('tanh')"),
    ("[len(n) for n in [nn.Sequential(prefix='a_')] if n.add(?) is None]", "nn.Dense(2); 1; None; [nn.Dense(2)]; 'a'; nn.Lambda('tanh'); nn.HybridLambda('tanh'); gluon.loss.L2Loss()"),
    # --- blocks, parameters, trainers
    ("hybridized(active=?)", _FLAGS),
    ("hybridized(static_alloc=?)", _FLAGS),
    ("hybridized(inline_limit=?)", _WHOLES),
    ("hybridized(nosuch=?)", "1; None"),
    ("weights(nn.Dense(2, in_units=2), None, ?)", _INITIALIZERS),
    ("initialized(ctx=?)", "None; mx.cpu(); [mx.cpu()]; (mx.cpu(),); [mx.cpu(0), mx.cpu(1)]; 'cpu'; []; 0"),
    ("initialized(verbose=?)", "False; None; 0"),
    ("initialized(force_reinit=?)", _FLAGS),
    ("cast(?)", _DTYPES),
    ("sorted(nn.Dense(2, prefix='d_').collect_params(?))", "None; '.*weight'; 'd_b'; ''; '.*weight|.*bias'; 1; ['d_weight']; '('"),
    ("described(gluon.Parameter(?, shape=(2,)))", "'w'; ''; 1; None"),
    ("described(gluon.Parameter('w', grad_req=?, shape=(2,)))", "'write'; 'add'; 'null'; 'Write'; 'nosuch'; None; 1; True; False"),
    ("described(gluon.Parameter('w', shape=?))", "None; (2, 3); [2, 3]; 2; np.int64(2); np.array(2); (np.int64(2), 3); np.array([2, 3]); (); (2, 0); (2, -1); (2.0, 3); 2.0; '2'; 'a'; ('a',); True; (2, None)"),
    ("described(gluon.Parameter('w', shape=(2,), dtype=?))", _DTYPES),
    ("described(gluon.Parameter('w', shape=(2,), lr_mult=?))", _SOME_NUMBERS),
    ("described(gluon.Parameter('w', shape=(2,), wd_mult=?))", _SOME_NUMBERS),
    ("described(gluon.Parameter('w', shape=(2,), init=?))", _INITIALIZERS),
    ("described(gluon.Parameter('w', shape=(2, 0), allow_deferred_init=?))", _FEW_FLAGS),
    ("described(gluon.Parameter('w', shape=(2,), differentiable=?))", _FEW_FLAGS),
    ("described(gluon.Parameter('w', shape=(2,), stype=?))", "'default'; 'nosuch'; None; 1"),
    ("described(gluon.Parameter('w', shape=(2,), grad_stype=?))", "'default'; 'nosuch'; None; 1"),
    ("described(gluon.Constant('c', ?))", "1; 2.5; [1, 2]; (1, 2); np.ones(2); np.array(1.0); nd.ones(2); np.int64(3); [[1, 2], [3, 4]]; 'a'; None; []; True; np.arange(2); nd.ones(2, dtype='int32')"),
    ("[p.grad_req for p in [gluon.Parameter('w', shape=(2,))] if setattr(p, 'grad_req', ?) is None]", "'write'; 'add'; 'null'; 'nosuch'; None; 1"),
    ("[p.data() for p in [gluon.Parameter('w', shape=(2,))] if p.initialize() is None and p.set_data(?) is None]", "nd.ones(2); np.ones(2); [1, 2]; nd.ones((2, 1)); nd.ones(1); 1; np.float32(1); 'a'; None; nd.ones(2, dtype='int32'); nd.ones(2, dtype='float64')"),
    ("trained(?)", "nn.Dense(1, in_units=2).collect_params(); nn.Dense(1, in_units=2).params; list(nn.Dense(1, in_units=2).collect_params().values()); tuple(nn.Dense(1, in_units=2).collect_params().values()); dict(nn.Dense(1, in_units=2).collect_params().items()); nn.Dense(1, in_units=2); []; {}; None; 'a'; nn.Dense(1, in_units=2).weight; nn.Dense(1, in_units=2).collect_params().values(); [nn.Dense(1, in_units=2).weight] * 2; [1]"),
    ("trainer(?)", "'sgd'; 'SGD'; 'Adam'; mx.optimizer.SGD(); mx.optimizer.SGD; 'nosuch'; None; 1; np.str_('sgd')"),
    ("trainer('sgd', ?)", "None; {}; {'learning_rate': 0.1}; {'learning_rate': 1}; {'learning_rate': np.float32(0.5)}; {'learning_rate': np.array(0.5)}; {'learning_rate': '0.5'}; {'nosuch': 1}; [('learning_rate', 0.5)]; 0.1; 'a'; {'rescale_grad': 0.5}; {'lr_scheduler': mx.lr_scheduler.FactorScheduler(1, 0.5)}; {'lr_scheduler': None}; {'lr_scheduler': 1}; {'lr_scheduler': lambda n: 0.5}; {'clip_gradient': 0.1}; {'multi_precision': True}; {'param_idx2name': {0: 'a_weight'}}; {'begin_num_update': 3}; {'wd': 0.5}"),
    ("trainer(mx.optimizer.SGD(), ?)", "None; {}; {'learning_rate': 0.1}; {'rescale_grad': 2}"),
    ("trainer('sgd', None, ?)", "'device'; 'local'; None; mx.kv.create('local'); 'nosuch'; 1; ''; False"),
    ("trainer('sgd', None, 'device', ?)", "None; {'type': '2bit'}; {'type': '2bit', 'threshold': 0.5}; {}; 1"),
    ("trainer('sgd', None, 'device', None, ?)", _FLAGS),
    ("stepped(?)", "1; 2; 0.5; np.int64(2); np.int32(2); np.float32(2); np.array(2); np.array([2]); nd.array([2]); True; '2'; None; [2]; -1; nd.array([2]).size; (2,)"),
    ("stepped(1, ignore_stale_grad=?)", _FLAGS),
    ("rate(?)", _NUMBERS),
    # --- losses
    *[
        line
        for name in ("L2Loss", "L1Loss", "KLDivLoss", "PoissonNLLLoss")
        for line in (
            (f"loss(gluon.loss.{name}(weight=?), (2, 3), (2, 3))", _SOME_NUMBERS),
            (f"loss(gluon.loss.{name}(batch_axis=?), (2, 3), (2, 3))", _SOME_AXES),
        )
    ],
    ("loss(gluon.loss.SoftmaxCELoss(weight=?), (2, 3), nd.array([0, 2]))", _SOME_NUMBERS),
    ("loss(gluon.loss.SoftmaxCELoss(batch_axis=?), (2, 3), nd.array([0, 2]))", _SOME_AXES),
    ("loss(gluon.loss.SoftmaxCELoss(axis=?), (2, 3, 2), nd.array([[0, 1], [1, 1]]))", _SOME_AXES),
    ("loss(gluon.loss.SoftmaxCELoss(sparse_label=?), (2, 3), nd.array([0, 2]))", _FEW_FLAGS),
    ("loss(gluon.loss.SoftmaxCELoss(from_logits=?), (2, 3), nd.array([0, 2]))", _FEW_FLAGS),
    ("loss(gluon.loss.SigmoidBCELoss(from_sigmoid=?), (2, 3), (2, 3))", _FEW_FLAGS),
    ("loss(gluon.loss.KLDivLoss(from_logits=?), (2, 3), (2, 3))", _FEW_FLAGS),
    ("loss(gluon.loss.KLDivLoss(from_logits=False, axis=?), (2, 3), (2, 3))", _SOME_AXES),
    ("loss(gluon.loss.HuberLoss(rho=?), (2, 3), (2, 3))", _SOME_NUMBERS),
    ("loss(gluon.loss.HingeLoss(margin=?), (2, 3), (2, 3))", _SOME_NUMBERS),
    ("loss(gluon.loss.SquaredHingeLoss(margin=?), (2, 3), (2, 3))", _SOME_NUMBERS),
    ("loss(gluon.loss.LogisticLoss(label_format=?), (2, 3), (2, 3))", "'signed'; 'binary'; 'Binary'; None; 1"),
    ("loss(gluon.loss.TripletLoss(margin=?), (2, 3), (2, 3), W(2, 3))", _SOME_NUMBERS),
    ("loss(gluon.loss.TripletLoss(weight=?), (2, 3), (2, 3), W(2, 3))", _SOME_NUMBERS),
    ("loss(gluon.loss.TripletLoss(batch_axis=?), (2, 3), (2, 3), W(2, 3))", _SOME_AXES),
    ("loss(gluon.loss.PoissonNLLLoss(from_logits=?), (2, 3), (2, 3))", _FEW_FLAGS),
    ("gluon.loss.PoissonNLLLoss(compute_full=?)(W(2, 3), W(2, 3))", _FEW_FLAGS),
    ("loss(gluon.loss.CosineEmbeddingLoss(margin=?), (2, 3), (2, 3), nd.array([1, -1]))", _SOME_NUMBERS),
    ("loss(gluon.loss.CosineEmbeddingLoss(weight=?), (2, 3), (2, 3), nd.array([1, -1]))", _SOME_NUMBERS),
    ("loss(gluon.loss.SDMLLoss(smoothing_parameter=?), (3, 4), (3, 4))", _SOME_NUMBERS),
    ("loss(gluon.loss.SDMLLoss(weight=?), (3, 4), (3, 4))", _SOME_NUMBERS),
    ("loss(gluon.loss.CTCLoss(layout=?), (2, 6, 4), nd.array([[1, 0, -1], [2, 1, 1]]))", "'NTC'; 'nosuch'; None; 1; 'ntc'"),
    ("loss(gluon.loss.CTCLoss(label_layout=?), (2, 6, 4), nd.array([[1, 0, -1], [2, 1, 1]]))", "'NT'; 'nosuch'; None; 1; 'nt'"),
    ("loss(gluon.loss.CTCLoss(weight=?), (2, 6, 4), nd.array([[1, 0, -1], [2, 1, 1]]))", _SOME_NUMBERS),
    # --- what losses are given
    ("loss(gluon.loss.L2Loss(), (2, 3), (2, 3), ?)", "W(2, 1); W(1, 3); W(2, 3); W(1); W(3); 0.5; 2; np.float32(0.5); np.ones((2, 1)); [1, 2]; None"),
    ("loss(gluon.loss.L2Loss(), (2, 3), ?)", "nd.ones((2, 3)); np.ones((2, 3)); [[1, 2, 3], [4, 5, 6]]; 1; None; nd.ones(6); nd.ones((3, 2)); nd.ones((2, 3), dtype='int32'); nd.ones((2, 3), dtype='float64')"),
    ("loss(gluon.loss.SoftmaxCELoss(), (2, 3), ?)", "nd.array([0, 2]); nd.array([[0], [2]]); nd.array([0, 2], dtype='int32'); nd.array([0, 2], dtype='int64'); nd.array([0, 2], dtype='uint8'); nd.array([0, 5]); nd.array([0, -1]); nd.array([0.7, 1.6]); nd.array([0]); np.array([0, 2]); [0, 2]; None"),
    # --- optimizers
    *[
        line
        for name in (
            "sgd", "nag", "signum", "adam", "adamax", "nadam", "adagrad", "adadelta", "rmsprop", "ftrl", "ftml", "lamb", "lars", "dcasgd",
        )
        for line in (
            (f"step({name!r}, learning_rate=?)", _FEW_NUMBERS),
            (f"step({name!r}, wd=?)", _FEW_NUMBERS),
            (f"step({name!r}, clip_gradient=?)", _FEW_NUMBERS),
            (f"step({name!r}, rescale_grad=?)", _FEW_NUMBERS),
            (f"step({name!r}, multi_precision=?)", "True; 'True'; None"),
        )
    ],
    ("made('sgd', begin_num_update=?)", _WHOLES),
    ("made('sgd', lr_scheduler=?)", "None; mx.lr_scheduler.FactorScheduler(1, 0.5); 1; 'a'; lambda n: 0.5"),
    ("made('sgd', param_idx2name=?)", "None; {}; {0: 'a_weight'}; {0: 'a_bias'}; []; 1; ['a_weight']; 'a'"),
    ("made('sgd', param_dict=?)", "None; {}; {0: gluon.Parameter('w', lr_mult=0.5)}; []; 1"),
    ("made('sgd', sym=?)", "None; mx.sym.var('a_weight', lr_mult=0.5); 1; 'a'"),
    ("made(?)", "'sgd'; 'SGD'; 'Sgd'; 'ccsgd'; 'nosuch'; None; 1; mx.optimizer.SGD(); mx.optimizer.SGD"),
    ("step('sgd', momentum=?)", _NUMBERS),
    ("step('sgd', lazy_update=?)", _FEW_FLAGS),
    ("step('nag', momentum=?)", _NUMBERS),
    ("step('signum', momentum=?)", _NUMBERS),
    ("step('signum', wd_lh=?)", _NUMBERS),
    *[
        (f"step({name!r}, {setting}=?)", _FEW_NUMBERS)
        for name, settings in {
            "adam": "beta1 beta2 epsilon", "adamax": "beta1 beta2", "nadam": "beta1 beta2 epsilon schedule_decay",
            "adagrad": "eps", "adadelta": "rho epsilon", "rmsprop": "gamma1 gamma2 epsilon clip_weights", "ftrl": "lamda1 beta",
            "ftml": "beta1 beta2 epsilon", "lamb": "beta1 beta2 epsilon lower_bound upper_bound",
            "lars": "momentum eta eps", "dcasgd": "momentum lamda",
        }.items()
        for setting in settings.split()
    ],
    ("step('adam', lazy_update=?)", _FEW_FLAGS),
    ("step('rmsprop', centered=?)", _FEW_FLAGS),
    ("step('rmsprop', centered=True, gamma2=?)", _NUMBERS),
    ("step('rmsprop', centered=True, clip_weights=?)", _NUMBERS),
    ("step('lamb', bias_correction=?)", _FEW_FLAGS),
    ("step('lars', lazy_update=?)", _FEW_FLAGS),
    ("step('lars', momentum=0.5, momentum_correction=?)", _FLAGS),
    ("multiplied('set_lr_mult', ?)", "{}; {0: 0.5}; {0: 1}; {0: np.float32(0.5)}; {'a': 0.5}; {0: '0.5'}; []; None; 1"),
    ("multiplied('set_wd_mult', ?)", "{}; {0: 0.5}; {0: 1}; {0: np.float32(0.5)}; {'a': 0.5}; {0: '0.5'}; []; None; 1"),
    # --- schedules
    *[
        line
        for name, first in {"FactorScheduler": "2, 0.5", "MultiFactorScheduler": "[2, 5], 0.5", "PolyScheduler": "9", "CosineScheduler": "9"}.items()
        for line in (
            (f"rates(mx.lr_scheduler.{name}({first}, base_lr=?))", _NUMBERS),
            (f"rates(mx.lr_scheduler.{name}({first}, base_lr=1, warmup_steps=?))", _WHOLES),
            (f"rates(mx.lr_scheduler.{name}({first}, base_lr=1, warmup_steps=2, warmup_begin_lr=?))", _NUMBERS),
            (f"rates(mx.lr_scheduler.{name}({first}, base_lr=1, warmup_steps=2, warmup_mode=?))", "'linear'; 'constant'; 'Linear'; None; 1"),
        )
    ],
    ("rates(mx.lr_scheduler.FactorScheduler(?, 0.5))", _WHOLES),
    ("rates(mx.lr_scheduler.FactorScheduler(2, ?))", _NUMBERS),
    ("rates(mx.lr_scheduler.FactorScheduler(2, 0.5, stop_factor_lr=?))", _NUMBERS),
    ("rates(mx.lr_scheduler.MultiFactorScheduler(?, 0.5))", "[2, 5]; (2, 5); [2]; []; np.array([2, 5]); [np.int64(2), 5]; [2.0, 5.0]; [2.5, 5]; ['2']; 2; None; [5, 2]; [2, 2]; [0, 2]; [-1]; range(2, 5); {2, 5}"),
    ("rates(mx.lr_scheduler.MultiFactorScheduler([2, 5], ?))", _NUMBERS),
    ("rates(mx.lr_scheduler.PolyScheduler(?))", _WHOLES),
    ("rates(mx.lr_scheduler.PolyScheduler(9, pwr=?))", _NUMBERS),
    ("rates(mx.lr_scheduler.PolyScheduler(9, final_lr=?))", _NUMBERS),
    ("rates(mx.lr_scheduler.CosineScheduler(?))", _WHOLES),
    ("rates(mx.lr_scheduler.CosineScheduler(9, final_lr=?))", _NUMBERS),
    ("[mx.lr_scheduler.PolyScheduler(9)(?)]", _WHOLES),
    # --- initializers
    ("initial(mx.init.Constant(?))", "1; 0.5; np.float32(0.5); np.array(0.5); nd.ones((2, 3)); np.ones((2, 3)); [[1, 2, 3], [4, 5, 6]]; [1, 2, 3]; nd.ones(3); np.ones(2); True; 'a'; '0.5'; None; float('nan')"),
    ("mx.init.Constant(?).dumps()", "1; 0.5; np.float32(0.5); np.array(0.5); np.int64(1); nd.ones((2,)); np.ones((2,)); [1, 2]; 'a'; None; True"),
    ("spread(mx.init.Uniform(?))", _SOME_NUMBERS),
    ("mx.init.Uniform(?).dumps()", _NUMBERS),
    ("spread(mx.init.Normal(?))", _SOME_NUMBERS),
    ("spread(mx.init.Orthogonal(?))", _SOME_NUMBERS),
    ("spread(mx.init.Orthogonal(rand_type=?))", "'uniform'; 'normal'; 'nosuch'; None; 1"),
    ("spread(mx.init.Xavier(?))", "'uniform'; 'gaussian'; 'Gaussian'; 'nosuch'; None; 1"),
    ("spread(mx.init.Xavier(factor_type=?))", "'in'; 'out'; 'avg'; 'nosuch'; None; 1"),
    ("spread(mx.init.Xavier(magnitude=?))", _SOME_NUMBERS),
    ("spread(mx.init.MSRAPrelu(?))", "'in'; 'out'; 'avg'; 'nosuch'; None; 1"),
    ("spread(mx.init.MSRAPrelu(slope=?))", _SOME_NUMBERS),
    ("initial(mx.init.create(?))", "'zeros'; 'one'; 'Constant'; mx.init.One(); mx.init.One; '[\"constant\", {\"value\": 3}]'; 'nosuch'; None; 1"),
    ("initial(mx.init.create('constant', ?))", "1; 0.5; 'a'"),
    ("initial(mx.init.Mixed(?, [mx.init.One()]))", "['.*']; ('.*',); '.'; ['x', '.*']; []; [1]; None"),
    ("initial(mx.init.Mixed(['.*'], ?))", "[mx.init.One()]; (mx.init.One(),); ['ones']; mx.init.One(); []; [1]; None; [lambda name, x: None]"),
    ("initial(mx.init.Load(?))", "{'a_weight': nd.ones((2, 3))}; {'arg:a_weight': nd.ones((2, 3))}; {'a_weight': np.ones((2, 3))}; {'a_weight': nd.ones((3, 2))}; {}; []; 1; None; 'nosuch'"),
    ("initial(mx.init.Load({}, default_init=?))", "mx.init.One(); None; 'ones'; lambda name, x: None; 1"),
    ("mx.init.InitDesc(?)", "'a_weight'; ''; 1; None"),
    # --- metrics
    *[
        line
        for name in ("Accuracy", "TopKAccuracy", "F1", "MCC", "PCC", "CrossEntropy", "NegativeLogLikelihood", "Loss", "Torch")
        for line in (
            (f"metric(mx.metric.{name}(name=?))", "'a'; 'my name'; 1; None; ['a']" if name != "TopKAccuracy" else "'a'"),
        )
    ],
    ("mx.metric.Accuracy(output_names=?).output_names", "None; ['a']; ('a',); 'a'; 1; []"),
    ("mx.metric.Accuracy(label_names=?).label_names", "None; ['a']; ('a',); 'a'; 1; []"),
    ("metric(mx.metric.Accuracy(axis=?))", _SOME_AXES),
    ("metric(mx.metric.TopKAccuracy(?))", _WHOLES),
    ("mx.metric.TopKAccuracy(?).name", _WHOLES),
    ("metric(mx.metric.F1(average=?))", "'macro'; 'micro'; 'nosuch'; None; 1"),
    ("metric(mx.metric.MCC(average=?))", "'macro'; 'micro'; 'nosuch'; None; 1"),
    ("numbers(mx.metric.PearsonCorrelation(average=?))", "'macro'; 'micro'; 'nosuch'; None; 1"),
    ("metric(mx.metric.CrossEntropy(?))", _SOME_NUMBERS),
    ("metric(mx.metric.NegativeLogLikelihood(?))", _SOME_NUMBERS),
    ("metric(mx.metric.Perplexity(?))", "None; 0; 1; 1.0; -1; np.int64(0); True; 'a'; [0]"),
    ("metric(mx.metric.Perplexity(None, axis=?))", _SOME_AXES),
    ("metric(mx.metric.PCC(has_global_stats=?))", _FEW_FLAGS),
    ("numbers(mx.metric.CustomMetric(?))", "lambda label, pred: 1; lambda label, pred: (2, 4); lambda label, pred: np.float32(3); lambda label, pred: np.array(3); lambda label, pred: nd.ones(1); lambda label, pred: 'a'; lambda label, pred: None; lambda a: 1; 1; None; 'a'"),
    ("numbers(mx.metric.CustomMetric(lambda label, pred: 1, name=?))", "None; 'a'; 'a('; 1"),
    ("mx.metric.CustomMetric(lambda label, pred: 1, 'a', allow_extra_outputs=?)._allow_extra_outputs", "True; False; 1; None"),
    ("metric(mx.metric.np(?))", "lambda label, pred: 1; lambda label, pred: (2, 4); 1; None"),
    ("metric(mx.metric.create(?))", "'acc'; 'ACC'; 'accuracy'; 'ce'; 'nll_loss'; 'nll-loss'; 'top_k_accuracy'; 'top_k_acc'; 'f1'; 'mcc'; 'pcc'; 'loss'; 'torch'; 'nosuch'; None; 1; ['acc', 'ce']; ('acc',); []; mx.metric.Accuracy(); mx.metric.Accuracy; lambda label, pred: 1; '[\"acc\", {}]'; '{\"metric\": \"acc\"}'; ['acc', mx.metric.F1()]; [lambda label, pred: 1]"),
    ("metric(mx.metric.create('acc', ?))", "1; None; 0"),
    ("metric(mx.metric.CompositeEvalMetric(?))", "None; ['acc']; [mx.metric.Accuracy()]; ('acc',); 'acc'; 1; [1]; []; mx.metric.Accuracy()"),
    ("[m.num_inst for m in [mx.metric.Accuracy()] if m.update(?, nd.array([[0.2, 0.8], [0.3, 0.7]])) is None]", "nd.array([0, 1]); [nd.array([0, 1])]; np.array([0, 1]); [0, 1]; None; 1"),
    ("[m.num_inst for m in [mx.metric.Accuracy()] if m.update([nd.array([0, 1])], ?) is None]", "nd.array([[0.2, 0.8], [0.3, 0.7]]); [nd.array([[0.2, 0.8], [0.3, 0.7]])]; [nd.array([0, 1])]; np.array([0, 1]); [np.array([0, 1])]; [0, 1]; None; 1"),
    # --- iterators
    ("batches(mx.io.NDArrayIter(?))", "np.arange(4).reshape(2, 2); nd.arange(4); np.arange(4.0); np.arange(4, dtype='uint8'); {'a': nd.arange(4)}; [nd.arange(4), np.arange(4)]; (nd.arange(4),); [1, 2, 3]; []; {}; 1; None; 'a'; np.array(['a', 'b']); nd.ones((0, 2)); np.ones((2, 0)); [('a', nd.arange(4))]; {1: nd.arange(4)}"),
    ("batches(mx.io.NDArrayIter(np.arange(4), ?))", "None; np.arange(4); nd.arange(4); {'y': np.arange(4)}; [np.arange(4)]; []; {}; [1, 2, 3, 4]; np.arange(3); 1; 'a'; [np.arange(4), nd.arange(4)]; np.arange(8).reshape(4, 2)"),
    ("batched(mx.io.NDArrayIter(np.arange(5), None, ?))", _WHOLES),
    ("passes(mx.io.NDArrayIter(np.arange(4), None, 2, shuffle=?))", _FLAGS),
    ("batches(mx.io.NDArrayIter(np.arange(5), None, 2, last_batch_handle=?))", "'pad'; 'discard'; 'roll_over'; 'rollover'; 'Pad'; 'nosuch'; None; 1; True"),
    ("batches(mx.io.NDArrayIter(np.arange(5), None, 2, data_name=?))", "'a'; ''; 1; None; ['a']"),
    ("named(mx.io.NDArrayIter(np.arange(5), np.arange(5), 2, label_name=?))", "'a'; ''; 1; None; ['a']"),
    ("batches(mx.io.NDArrayIter(np.arange(6).reshape(3, 2), None, 2, layout=?))", "'NCHW'; 'NC'; 'N'; 'CN'; 'nc'; 'C'; ''; None; 1"),
    ("passes(mx.io.ResizeIter(mx.io.NDArrayIter(np.arange(5)), ?))", "2; np.int64(2); 2.0; True; 7"),
    ("passes(mx.io.ResizeIter(mx.io.NDArrayIter(np.arange(5)), 2, ?))", _FLAGS),
    ("passes(mx.io.ResizeIter(?, 2))", "mx.io.NDArrayIter(np.arange(5)); None; [1, 2]; 1"),
    ("passes(mx.io.PrefetchingIter(?))", "mx.io.NDArrayIter(np.arange(5)); [mx.io.NDArrayIter(np.arange(5))]; (mx.io.NDArrayIter(np.arange(5)),); [mx.io.NDArrayIter(np.arange(5)), mx.io.NDArrayIter(np.arange(5))]"),
    ("described_data(mx.io.PrefetchingIter(mx.io.NDArrayIter(np.arange(5)), rename_data=?))", "None; [{'data': 'x'}]; [None]; []; {'data': 'x'}"),
    ("[mx.io.DataDesc(?, (2,)).name]", "'a'; 1; None"),
    ("[tuple(mx.io.DataDesc('a', ?))]", "(2, 3); [2, 3]; 2; None; ()"),
    ("repr(mx.io.DataDesc('a', (2,), ?))", "'float32'; np.float32; None; np.int32"),
    ("repr(mx.io.DataDesc('a', (2,), layout=?))", "'NC'; None; 1"),
    ("mx.io.DataDesc.get_batch_axis(?)", "'NCHW'; 'TNC'; 'C'; None; ''; 1"),
    ("str(mx.io.DataBatch(?))", "[nd.ones(2)]; (nd.ones(2),); nd.ones(2); []; 1; 'a'"),
    ("str(mx.io.DataBatch([nd.ones(2)], ?))", "None; [nd.ones(1)]; (nd.ones(1),); []; nd.ones(1); 1"),
    # --- data sets
    ("[len(d) for d in [gluon.data.ArrayDataset(?)]]", "nd.ones(3); np.ones(3); [1, 2, 3]; (1, 2, 3); range(3); 1; None; 'abc'; {1: 2}; iter([1]); gluon.data.SimpleDataset([1, 2])"),
    ("[d[0] for d in [gluon.data.ArrayDataset(?, [1, 2, 3])]]", "nd.ones(3); np.ones(3); [1, 2, 3]; (1, 2, 3); range(3); 'abc'; np.ones(2); nd.ones((3, 2)); np.ones((3, 2))"),
    ("[len(d) for d in [gluon.data.SimpleDataset(?)]]", "[1, 2]; (1, 2); np.ones(2); nd.ones(2); 'ab'; 1; None; {1: 2}"),
    ("elements(gluon.data.SimpleDataset(list(range(10))).shard(?, 0))", _WHOLES),
    ("elements(gluon.data.SimpleDataset(list(range(10))).shard(3, ?))", _WHOLES),
    ("elements(gluon.data.SimpleDataset(list(range(10))).take(?))", _WHOLES),
    ("elements(gluon.data.SimpleDataset(list(range(10))).filter(?))", "lambda x: x > 5; bool; None; 1"),
    ("elements(gluon.data.SimpleDataset(list(range(3))).transform(?))", "lambda x: x + 1; str; None; 1"),
    ("elements(gluon.data.SimpleDataset(list(range(3))).transform(lambda x: x + 1, lazy=?))", _FLAGS),
    ("elements(gluon.data.SimpleDataset(list(range(10))).sample(?))", "gluon.data.SequentialSampler(3); gluon.contrib.data.IntervalSampler(10, 5); [1, 2]; range(3); None; 1"),
    ("list(gluon.data.SequentialSampler(?))", _WHOLES),
    ("list(gluon.data.SequentialSampler(2, ?))", _WHOLES),
    ("sorted(map(int, gluon.data.RandomSampler(?)))", _WHOLES),
    ("list(gluon.contrib.data.IntervalSampler(7, ?))", _WHOLES),
    ("list(gluon.contrib.data.IntervalSampler(?, 2))", _WHOLES),
    ("list(gluon.contrib.data.IntervalSampler(7, 3, rollover=?))", _FLAGS),
    ("list(gluon.data.BatchSampler(?, 2))", "gluon.data.SequentialSampler(5); [1, 2, 3]; range(3); iter([1, 2, 3]); 1; None; 'abc'"),
    ("list(gluon.data.BatchSampler(gluon.data.SequentialSampler(5), ?))", _WHOLES),
    ("[len(b) for b in [gluon.data.BatchSampler(gluon.data.SequentialSampler(5), ?)]]", _WHOLES),
    ("list(gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2, ?))", "'keep'; 'discard'; 'rollover'; 'roll_over'; 'pad'; None; 1; 'Keep'"),
    ("list(gluon.data.FilterSampler(?, [1, 2, 3, 4]))", "lambda x: x > 2; bool; None; 1"),
    ("list(gluon.data.FilterSampler(lambda x: x > 2, ?))", "[1, 2, 3, 4]; (1, 3); nd.arange(4); np.arange(4); gluon.data.SimpleDataset([1, 3]); 1; None"),
    ("loaded(?, 2)", "gluon.data.ArrayDataset(nd.arange(3)); nd.arange(3); np.arange(3); [1, 2, 3]; (1, 2, 3); range(3); [(1, 2), (3, 4)]; 'abc'; 1; None; []; {0: 1, 1: 2}; np.arange(6).reshape(3, 2); [np.float32(1), np.float32(2)]; [nd.ones(2), nd.ones(2)]; [np.ones(2), np.ones(2)]; [[1, 2], [3, 4]]; [1.5, 2]; [{'a': 1}]; ['a', 'b']; [True, False]; [(nd.ones(2), 1), (nd.ones(2), 2)]; [(np.ones(2), 1.5), (np.ones(2), 2)]; [None]"),
    ("loaded(np.arange(5), ?)", _WHOLES),
    ("loaded(np.arange(5), 2, ?)", "False; 0; None; ''"),
    ("loaded(np.arange(5), 2, sampler=?)", "None; gluon.data.SequentialSampler(3); [0, 2, 4]; range(3); 1; 'a'"),
    ("loaded(np.arange(5), 2, last_batch=?)", "None; 'keep'; 'discard'; 'rollover'; 'nosuch'; 1; 'roll_over'"),
    ("loaded(np.arange(5), batch_sampler=?)", "[[0, 1], [2]]; gluon.data.BatchSampler(gluon.data.SequentialSampler(5), 2); None; 1; [(0, 1)]; [[0], []]"),
    ("loaded(np.arange(5), 2, batchify_fn=?)", "None; lambda rows: nd.array(rows); lambda rows: rows; 1; 'a'; list"),
    ("loaded(np.arange(5), 2, thread_pool=True, num_workers=?)", "0; 1; 2; np.int64(1); -1; None; '1'; 1.5; True; False"),
    ("loaded(np.arange(5), 2, prefetch=?)", "None; 0; 1; 4; -1; '1'; 2.5; np.int64(1)"),
    ("loaded(np.arange(5), 2, pin_memory=?)", "False; 0; None"),
    ("loaded(np.arange(5), 2, pin_device_id=?)", "0; 1; None"),
    ("loaded(np.arange(5), 2, timeout=?)", "120; 1; 0.5; 0; -1; None; 'a'; np.int64(3)"),
    ("loaded(np.arange(5), 2, auto_reload=?)", _FLAGS),
    # --- transforms
    ("gluon.data.vision.transforms.Normalize(?, 0.5)(nd.ones((3, 2, 2)))", "0.5; 1; (0.1, 0.2, 0.3); [0.1, 0.2, 0.3]; (0.5,); (0.1, 0.2); np.float32(0.5); np.array([0.1, 0.2, 0.3]); nd.array([0.1, 0.2, 0.3]); 'a'; None; True; np.array(0.5)"),
    ("gluon.data.vision.transforms.Normalize(0.5, ?)(nd.ones((3, 2, 2)))", "0.5; 1; 0; (0.1, 0.2, 0.3); [0.1, 0.2, 0.3]; (0.5,); (0.1, 0.2); np.float32(0.5); np.array([0.1, 0.2, 0.3]); nd.array([0.1, 0.2, 0.3]); 'a'; None; True; np.array(0.5)"),
    ("gluon.data.vision.transforms.Cast(?)(nd.ones((2, 2)))", _DTYPES),
    ("gluon.data.vision.transforms.Compose(?)(nd.ones((2, 2, 3), dtype='uint8'))", "[gluon.data.vision.transforms.ToTensor()]; (gluon.data.vision.transforms.ToTensor(),); []; [lambda x: x]; None; gluon.data.vision.transforms.ToTensor(); [gluon.data.vision.transforms.ToTensor(), lambda x: x + 1]"),
    # --- utils, autograd, context
    ("gluon.utils.split_data(nd.arange(6), ?)", _WHOLES),
    ("gluon.utils.split_data(nd.arange(6).reshape((2, 3)), 1, batch_axis=?)", _AXES),
    ("gluon.utils.split_data(nd.arange(5), 2, even_split=?)", _FLAGS),
    ("gluon.utils.split_and_load(?, [mx.cpu()])", "nd.arange(4); np.arange(4); [1, 2]; 1; None; 'a'; np.arange(4.0)"),
    ("gluon.utils.split_and_load(nd.arange(4), ?)", "[mx.cpu()]; (mx.cpu(),); [mx.cpu(0), mx.cpu(1)]; mx.cpu(); []; None; 'cpu'"),
    ("clipped(?)", _SOME_NUMBERS),
    ("clipped(1.0, ?)", _FEW_FLAGS),
    ("gluon.utils.clip_global_norm(?, 1.0)", "[nd.ones(4)]; (nd.ones(4),); nd.ones(4); [np.ones(4)]; []; None; [nd.ones(4, dtype='float64')]; [nd.ones(4, dtype='float16')]"),
    ("recorded(?)", _FLAGS),
    ("derived(heads=?)", "'y'; '[y]'; '(y,)'; None; 1; []"),
    ("derived(head_grads=?)", "None; nd.array([1, 2]); [nd.array([1, 2])]; [None]; (None,); np.ones(2); 1; [1]; 'a'"),
    ("derived(retain_graph=?)", _FLAGS),
    ("derived(train_mode=?)", _FLAGS),
    ("of_grad(?)", "x; [x]; (x,); None; 1; []"),
    ("of_grad(x, head_grads=?)", "None; nd.array([1, 2]); [nd.array([1, 2])]; [None]; np.ones(2); 1"),
    ("of_grad(x, retain_graph=?)", "None; True; False; 1; 0"),
    ("of_grad(x, create_graph=?)", _FLAGS),
    ("of_grad(x, train_mode=?)", _FLAGS),
    ("marked(?)", "'write'; 'add'; 'null'; ['write']; ('add',); 'nosuch'; None; 1"),
    ("attached(?)", "'write'; 'add'; 'null'; 'nosuch'; None; 1"),
    ("set_modes(?)", _FLAGS),
    ("str(mx.Context(?))", "'cpu'; 'CPU'; 'nosuch'; None; 1; mx.cpu(1); mx.cpu"),
    ("str(mx.Context('cpu', ?))", _WHOLES),
    ("str(mx.cpu(?))", _WHOLES),
    ("mx.random.seed(?)", "0; 1; -1; np.int64(3); np.array(3); 1.0; 2.5; '1'; None; True; 2**31; 2**32; 2**40"),
    ("mx.random.seed(0, ctx=?)", "'all'; mx.cpu(); 'cpu'; None; 1"),
    # --- stores and callbacks
    ("mx.kv.create(?).type", "'local'; 'device'; 'Local'; ''; None; 1"),
    ("ticked(?)", _WHOLES),
    ("ticked(2, frequent=?)", _WHOLES),
    ("ticked(2, auto_reset=?)", _FLAGS),
]  # fmt: skip


def _calls() -> str:
    return "\n".join(
        template.replace("?", value.strip()) for template, values in _GRID for value in values.split(";")
    )


CALLS = _calls()


def prepare(mx: Any) -> dict[str, Any]:
    """What the calls may use, made anew for each."""
    return {**networks.prepare(mx), **_Trials(mx).all(), **_recorded(mx)}


def _recorded(mx: Any) -> dict[str, Any]:
    """An array `x` and `y`, its squares, recorded."""
    x = mx.nd.array([3, 4])
    x.attach_grad()
    with mx.autograd.record():
        y = x * x
    return {"x": x, "y": y}


class _Trials:
    """Each runs one thing with a setting, and gives all that comes out."""

    def __init__(self, mx: Any) -> None:
        self.mx = mx
        self.random = np.random.RandomState(5)

    def all(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in dir(self)
            if not name.startswith("_") and name not in ("mx", "random", "all")
        }

    def dtypes(self, layer: Any) -> Any:
        layer.initialize(self.mx.init.One())
        return [np.dtype(p.dtype).name for p in layer.collect_params().values()]

    def weights(self, layer: Any, shape: Any = None, init: Any = "default") -> Any:
        layer.initialize(self.mx.init.Constant(0.5) if isinstance(init, str) and init == "default" else init)
        if shape is not None:
            layer(self.mx.nd.ones(shape))
        values = [p.data() for p in layer.collect_params().values()]
        return ["random" if init is None and i == 0 else v for i, v in enumerate(values)]

    def dropped(self, layer: Any) -> Any:
        """What is left while training: nothing, all, or which shape shares its fate."""
        layer.initialize()
        with self.mx.autograd.record():
            y = layer(self.mx.nd.ones((40, 50))).asnumpy()
        return [float(y.max()), float(y.min()), bool((y == y[:1]).all()), bool((y == y[:, :1]).all())]

    def normed(self, layer: Any, shape: tuple[int, ...]) -> Any:
        """Output, gradients for head gradients 1, 2, 3, …, and what is kept, of a layer that normalizes."""
        layer.initialize()
        x = self.mx.nd.array(np.round(self.random.uniform(0, 9, shape), 1))
        x.attach_grad()
        with self.mx.autograd.record():
            y = layer(x)
        y.backward(self.mx.nd.array(np.arange(1, y.size + 1).reshape(y.shape)))
        params = layer.collect_params().values()
        return [y, x.grad, *[p.grad() for p in params if p.grad_req != "null"], *[p.data() for p in params]]

    def looked_up(self, layer: Any) -> Any:
        layer.initialize(self.mx.init.One())
        return layer(self.mx.nd.array([0, 1, 0]))

    def moved(self, layer: Any) -> Any:
        """Output and running statistics after a step of training."""
        layer.initialize()
        with self.mx.autograd.record():
            y = layer(self.mx.nd.array([[1, 2], [3, 5], [4, 6]]))
        y.backward()  # which is when MXNet moves them
        return [y, *[p.data() for p in layer.collect_params().values()]]

    def concurrent(self, axis: Any) -> Any:
        net = self.mx.gluon.contrib.nn.HybridConcurrent(axis=axis)
        net.add(self.mx.gluon.nn.Dense(2, flatten=False), self.mx.gluon.nn.Dense(2, flatten=False))
        net.initialize(self.mx.init.One())
        return net(self.mx.nd.ones((2, 3, 4)))

    def hybridized(self, **flags: Any) -> Any:
        net = self._dense()
        net.hybridize(**flags)
        return net(self.mx.nd.ones((1, 2)))

    def _dense(self) -> Any:
        net = self.mx.gluon.nn.Dense(1, in_units=2, prefix="d_")
        net.initialize(self.mx.init.One())
        return net

    def initialized(self, **settings: Any) -> Any:
        net = self.mx.gluon.nn.Dense(1, in_units=2)
        net.initialize(self.mx.init.One(), **settings)
        net.initialize(self.mx.init.Zero(), **settings)
        return [net.weight.list_data(), len(net.weight.list_ctx())]

    def cast(self, dtype: Any) -> Any:
        net = self._dense()
        net.cast(dtype)
        return net(self.mx.nd.ones((1, 2), dtype=dtype))

    def described(self, parameter: Any) -> Any:
        parameter.initialize(
            **(
                {}
                if isinstance(parameter, self.mx.gluon.Constant)
                else {"default_init": self.mx.init.Constant(0.5)}
            )
        )
        numbers = [parameter.lr_mult, parameter.wd_mult]
        shape = parameter.shape and [int(n) for n in parameter.shape]
        found = [parameter.name, parameter.grad_req, shape, np.dtype(parameter.dtype).name]
        deferred = parameter.shape is not None and 0 in parameter.shape
        return [found, [float(x) for x in numbers], None if deferred else parameter.data()]

    def trainer(self, *settings: Any) -> Any:
        return self._after_steps(lambda params: self.mx.gluon.Trainer(params, *settings))

    def trained(self, params: Any) -> Any:
        return self._after_steps(lambda _: self.mx.gluon.Trainer(params, "sgd"))

    def _after_steps(self, make: Any, *step: Any, **more: Any) -> Any:
        net = self._dense()
        trainer = make(net.collect_params())
        for _ in range(2):
            with self.mx.autograd.record():
                y = net(self.mx.nd.array([[1, 2], [3, 5]]))
            y.backward()
            trainer.step(*(step or (2,)), **more)
        return [net.weight.data(), float(trainer.learning_rate)]

    def stepped(self, *step: Any, **more: Any) -> Any:
        return self._after_steps(lambda params: self.mx.gluon.Trainer(params, "sgd"), *step, **more)

    def rate(self, rate: Any) -> Any:
        def make(params: Any) -> Any:
            trainer = self.mx.gluon.Trainer(params, "sgd")
            trainer.set_learning_rate(rate)
            return trainer

        return self._after_steps(make)

    def made(self, name: Any, **settings: Any) -> Any:
        """What an optimizer says of its rates, and a weight after two steps."""
        optimizer = self.mx.optimizer.create(name, **settings)
        found = [float(optimizer.learning_rate), float(optimizer._get_lr(0)), float(optimizer._get_wd(0))]
        update, weight = self.mx.optimizer.get_updater(optimizer), self.mx.nd.ones(2)
        for _ in range(2):
            update(0, self.mx.nd.ones(2), weight)
        return [*found, weight, int(optimizer.num_update)]

    def multiplied(self, method: str, factors: Any) -> Any:
        optimizer = self.mx.optimizer.create("sgd", wd=0.5)
        getattr(optimizer, method)(factors)
        return [float(optimizer._get_lr(0)), float(optimizer._get_wd(0))]

    def rates(self, schedule: Any) -> Any:
        return [float(schedule(i)) for i in (0, 1, 2, 3, 5, 9, 12)]

    def passes(self, iterator: Any) -> Any:
        """How many batches two passes have, and all numbers in them, sorted."""
        counts, numbers = [], []
        for _ in range(2):
            batches = [b.data[0].asnumpy().ravel() for b in islice(iterator, 20)]
            counts.append(len(batches))
            numbers.append(sorted(np.concatenate(batches).tolist()))
            iterator.reset()
        return [counts, numbers]

    def batched(self, iterator: Any) -> Any:
        """Data and pads of two passes of an iterator."""
        found = []
        for _ in range(2):
            found.append([[b.data, b.label, int(b.pad)] for b in islice(iterator, 20)])
            iterator.reset()
        return found

    def named(self, iterator: Any) -> Any:
        return [[d.name, list(d.shape)] for d in iterator.provide_label]

    def described_data(self, iterator: Any) -> Any:
        return [[d.name, list(d.shape)] for d in iterator.provide_data]

    def elements(self, dataset: Any) -> Any:
        return [dataset[i] for i in range(len(dataset))]

    def loaded(self, *settings: Any, **more: Any) -> Any:
        loader = self.mx.gluon.data.DataLoader(*settings, **more)
        return [list(loader), len(loader)]

    def clipped(self, *settings: Any) -> Any:
        x = self.mx.nd.array([3, 4])
        return [
            float(f) if hasattr(f, "asscalar") else f
            for f in [self.mx.gluon.utils.clip_global_norm([x], *settings)]
        ] + [x]

    def recorded(self, train_mode: Any) -> Any:
        autograd = self.mx.autograd
        with autograd.record(train_mode):
            found = [autograd.is_recording(), autograd.is_training()]
        with autograd.pause(train_mode):
            return [*found, autograd.is_recording(), autograd.is_training()]

    def derived(self, **settings: Any) -> Any:
        with_y = _recorded(self.mx)
        heads = _heads(settings.pop("heads", "y"), with_y["y"])
        self.mx.autograd.backward(heads, **settings)
        return with_y["x"].grad

    def of_grad(self, x: Any, **settings: Any) -> Any:
        autograd = self.mx.autograd
        variables = x if isinstance(x, (list, tuple)) else [x]
        with autograd.record():
            y = sum((v * v for v in variables), self.mx.nd.zeros(2)) if variables else self.mx.nd.zeros(2)
            return autograd.grad(y, x, **settings)

    def marked(self, grad_reqs: Any) -> Any:
        x, gradient = self.mx.nd.array([3, 4]), self.mx.nd.ones(2)
        self.mx.autograd.mark_variables([x], [gradient], grad_reqs)
        with self.mx.autograd.record():
            y = x * x + 0 * self._attached()
        y.backward()
        return gradient

    def _attached(self) -> Any:
        other = self.mx.nd.ones(2)
        other.attach_grad()
        return other

    def attached(self, grad_req: Any) -> Any:
        x = self.mx.nd.array([3, 4])
        x.attach_grad(grad_req)
        with self.mx.autograd.record():
            y = x * x + 0 * self._attached()
        y.backward()
        return x.grad

    def set_modes(self, value: Any) -> Any:
        autograd = self.mx.autograd
        autograd.set_recording(False)
        autograd.set_training(False)
        found = [
            autograd.set_recording(value),
            autograd.is_recording(),
            autograd.set_training(value),
            autograd.is_training(),
        ]
        autograd.set_recording(False)
        autograd.set_training(False)
        return found

    def ticked(self, *settings: Any, **more: Any) -> Any:
        meter = self.mx.callback.Speedometer(*settings, **more)
        metric = self.mx.metric.MAE()
        for i in range(5):
            metric.update([self.mx.nd.ones(2)], [self.mx.nd.zeros(2)])
            meter(self.mx.model.BatchEndParam(0, i, metric, None))
        return metric.num_inst


def _heads(heads: Any, y: Any) -> Any:
    """The recorded `y` for what stands for it."""
    return {"y": y, "[y]": [y], "(y,)": (y,)}.get(heads, heads) if isinstance(heads, str) else heads


def _numbers() -> list[str]:
    return [template for template, values in _GRID if values in (_NUMBERS, _FEW_NUMBERS, _SOME_NUMBERS)]


def _of_all(value: str, why: str) -> dict[str, str]:
    """Settles a value for each argument that is a number."""
    return {template.replace("?", value): why for template in _numbers()}


_EARLY = "told when it is made; MXNet takes it for something else, or for nothing"
_TEXT = "a number as a text is none"
_TRUTH = "a truth value is no number: most likely it is meant for another argument"

TAKES_MORE = True
"""What MXNet refuses may work here."""

SETTLED: dict[str, str] = {
    **_of_all("'0.5'", _TEXT),
    **_of_all("True", _TRUTH),
    **dict.fromkeys(("*axis='1')*", "*concurrent('1')", "*loader*prefetch='1')", "loaded(*prefetch='1')"), _TEXT),
    **dict.fromkeys(("made('sgd', begin_num_update=True)", "*FactorScheduler(True, 0.5))"), _TRUTH),
    **_of_all("np.float16(0.3)", "its value, 0.30004883; MXNet reads 0.3 in its text"),
    **dict.fromkeys(
        (
            "*Dropout(-*", "*Sequential(prefix='a_')] if n.add(*", "*TopKAccuracy(2.5).name", "*metric.F1(average=*",
            "*metric.MCC(average=*", "*NDArrayIter(np.arange(5), None, -1))", "*last_batch_handle=*",
            "*IntervalSampler(7, 0))", "*IntervalSampler(7, -1))", "*BatchSampler(gluon.data.SequentialSampler(5), *",
            "*PoissonNLLLoss(batch_axis=1.5)*", "*SDMLLoss(weight=*", "step('rmsprop', gamma2=None)",
            "step('signum', wd_lh=None)", "step('lars', wd=None)", "step(*, beta2=-0.5)", "stepped(-1)", "mx.kv.create('').type",
            "gluon.utils.split_and_load(None, *",
        ),
        _EARLY,
    ),
    **dict.fromkeys(("dropped(nn.Dropout(1))", "dropped(nn.Dropout(1.0))"), "nothing is left; in MXNet 0/0"),
    **dict.fromkeys(
        ("normed(nn.LayerNorm(axis=*1)), (3, 2, 5))", "normed(nn.LayerNorm(axis=1), *", "normed(nn.InstanceNorm(axis=*",
         "normed(nn.GroupNorm(1), (3, 4, 5))", "*SDMLLoss(smoothing_parameter=*"),
        "rounding",
    ),
    **dict.fromkeys(
        (f"step('{name}', clip_gradient={bound})" for name in ("adamax", "nadam", "adagrad", "adadelta", "dcasgd") for bound in ("0", "-0.5")),
        "no bound, as in those of MXNet's optimizers that are operators; these clip by it, and climb if it is negative",
    ),
    **dict.fromkeys(("step('adamax', rescale_grad=0)", "step('lars', rescale_grad=0)"), "no step; in MXNet 0/0"),
    **dict.fromkeys(
        ("step('sgd', momentum=-0.5)", "step('nag', momentum=-0.5)", "step('signum', momentum=-0.5)", "step('lars', momentum=-0.5)"),
        "a momentum may be negative (Gidel et al., 2019); MXNet takes it as 0",
    ),
    **dict.fromkeys(
        ("step('lars', wd=-0.5)", "step('lars', rescale_grad=-0.5)", "step('lars', eps=-0.5)", "step('adadelta', epsilon=-0.5)"),
        "a negative one has no meaning; what comes of it differs",
    ),
    "rates(mx.lr_scheduler.MultiFactorScheduler([2, 5], -0.5))": "a rate is not negative",
    "*FactorScheduler(2, 0.5, stop_factor_lr=np.array(0.5)))": "its value; MXNet's schedules multiply the array itself, and the bound falls, too",
    "numbers(mx.metric.PearsonCorrelation(average='micro'))": "broken in MXNet: it has no global value, and reset_local forgets nothing",
    "gluon.utils.split_and_load(1, [mx.cpu()])": "a number alone has shape (1,)",
}  # fmt: skip
"""What differs on purpose."""
