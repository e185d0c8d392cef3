"""The estimators' constructor parameters in words; `documented` puts them, with the presets' values, into `help`."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, TypeVar

from lamina.estimators._optimization import SOLVERS
from lamina.estimators._presets import (
    ENOUGH_STEPS,
    FEWEST_EPOCHS,
    JUST_STEPS_ROWS,
    MOST_EPOCHS,
    PRESETS,
    resolve,
)
from lamina.nd.activation import ACTIVATIONS

__all__ = ["PARAMETERS", "documented"]

PARAMETERS = {
    "hidden_layer_sizes": "the widths of the hidden layers, or one width. () gives a linear model.",
    "activation": f"of the hidden layers, one name or a list with one for each: {', '.join(ACTIVATIONS)}.",
    "preset": "where parameters that are None get their values: 'default' is RealMLP-TD (Holzmüller, Grinsztajn, "
    "Steinwart, 'Better by Default', 2024, arXiv 2407.04491) and what was measured to be better, 'medium' smaller "
    "networks that take a tenth of its time, 'fast' one or more of them for a second; 'sklearn' is retired, see "
    "lamina.neural_network. 'best' searches from 'default' on: see `time_limit`.",
    "members": "how many networks are trained side by side; their outputs are averaged (Lakshminarayanan, Pritzel, "
    "Blundell, 2017). None: 5 for a table of at most 5000 rows (fast: 4; medium, fast: 2 of more than 500 "
    "columns), else 2 (fast: 1 from 20,001 rows on).",
    "loss": "a name (see above), or a function of nd arrays `loss(outputs, target)` that returns a value a row; "
    "outputs are (rows, k), the target is (rows,) class numbers, or (rows, k) labels or standardized numbers.",
    "quantile": "the level of loss='quantile' (Koenker and Bassett, 1978), or a list of levels, ascending: then "
    "predictions have a column for each, and never cross.",
    "solver": ", ".join(f"{name!r} ({solver.meaning})" for name, solver in SOLVERS.items()) + ".",
    "alpha": "the L2 penalty of scikit-learn: ½·alpha·‖W‖², divided by the rows of the batch.",
    "batch_size": "rows a step, at most those of the table. 'auto' is the preset's value. None of 'fast': 64 of at "
    "most 2000 rows, 128 of at most 5000, or a fifth of the table if that is less.",
    "learning_rate": "the schedule of the learning rate: constant, coslog4 (RealMLP), flat_cos, one_cycle (Smith and "
    "Topin, 2018), cosine, linear.",
    "learning_rate_init": "the learning rate (None of 'fast': 0.05 of at most 5000 rows) that the schedule multiplies.",
    "max_iter": "the most epochs. None: by the number of training rows, "
    f"{ENOUGH_STEPS['default']} steps (presets 'medium' and 'fast': {ENOUGH_STEPS['fast']}), at most {MOST_EPOCHS} "
    f"epochs, and at least {FEWEST_EPOCHS['default']} (medium: {FEWEST_EPOCHS['medium']}, fast: "
    f"{FEWEST_EPOCHS['fast']}) of more than {JUST_STEPS_ROWS} rows. 'fast' of at most 5000 rows, with its own "
    "batch_size: 20,000 rows, but at least 20 epochs (of more than 2000 rows: 32).",
    "random_state": "the seed of all randomness, or a NumPy RandomState. With the same seed the result is the same bit "
    "by bit, whatever the number of threads.",
    "tol": "by how much the validation score (or, without validation rows, the loss) must improve to count for "
    "`n_iter_no_change`.",
    "verbose": "shows each epoch's loss, validation score, and the time left: as a bar on a terminal, else as lines.",
    "warm_start": "whether `fit` goes on with the network of the last `fit`, whose columns the table must have.",
    "momentum": "of solver='sgd'.",
    "nesterovs_momentum": "whether that is Nesterov's momentum.",
    "early_stopping": "whether rows are held out (unless `fit` gets an `eval_set`), and the epoch that is best on them "
    "is kept. Tables of fewer than 10 rows hold none out.",
    "validation_fraction": "the share of the rows held out, the same of each class. Several members hold out different "
    "rows, 1 / members of all if that is less.",
    "beta_1": "Adam's decay of the mean of gradients.",
    "beta_2": "Adam's decay of the mean of squared gradients.",
    "epsilon": "what Adam adds to the root of that mean.",
    "n_iter_no_change": "after how many epochs without improvement the training stops. 'auto': a quarter of them; "
    "math.inf, or None of the preset 'medium': never. 'cycle', or None of the preset 'default': where the third of "
    "coslog4's four cycles ends, after 7/15 of the epochs, if it lowered the validation loss by less than 1 % (or did "
    "not improve another `scoring`).",
    "dropout": "the share of hidden units that are dropped (Srivastava et al., 2014), one number or a list with one "
    "for each layer.",
    "normalization": "None, 'batch' (Ioffe and Szegedy, 2015) or 'layer' (Ba et al., 2016), before each activation.",
    "weight_decay": "decoupled weight decay (Loshchilov and Hutter, 2019) of all but biases, times the learning rate.",
    "regularization_schedule": "a schedule that multiplies `dropout` and `weight_decay`.",
    "label_smoothing": "the share of the target that is spread over all classes (Szegedy et al., 2016). RealMLP-TD has "
    "0.1, which costs log-loss.",
    "calibrate": "whether outputs are multiplied by the factor that gives the validation rows the smallest log-loss "
    "(temperature scaling; Guo et al., 2017). Then epochs are judged by what they are after that.",
    "number_embedding": "whether each number also enters as three learned mixtures of its cosines (RealMLP's PBLD).",
    "number_pieces": "how many pieces the piecewise linear function has at most that is learned of each number "
    "(Gorishniy, Rubachev, Babenko, 2022), and added to those mixtures: a piece for 100 rows, and 4096 for all numbers "
    "together. None: 64, or as many as the values of a column need whose neighbouring values say different things; "
    "those of a column whose function is smooth decay fast. 0: none.",
    "embedding_width": "how many numbers stand for a category of a column with more than 8 of them.",
    "input_scale": "whether each input has a learned scale (RealMLP).",
    "learned_activation": "whether units learn how much of the activation f they use: x + α(f(x) − x) (RealMLP).",
    "ntk": "whether layers compute xW/√d + b, with an initialization that looks at the data (RealMLP), instead of "
    "xW + b with Glorot's.",
    "preprocess": "whether inputs are centred at the median, divided by the interquartile range, and clipped smoothly "
    "(RealMLP). Missing numbers become the median either way.",
    "drop_last": "whether an epoch leaves out the rows that do not fill a batch.",
    "shards": "into how many parts each batch is cut, which the processes that mpirun starts share: the network is the "
    "same bit by bit on any number of them. Gradients are summed in an order that `shards` fixes; dropout and batch "
    "normalization are a shard's own. None: batches are not cut. See docs/scale.md.",
    "column_kinds": "by the column's name or position, what it is where the inferred kind is wrong: 'numeric', "
    "'categorical' or 'drop'.",
    "monotone": "by the column's name or position, 1 if predictions never fall where the column rises, -1 if they "
    "never rise: exactly, everywhere. Of two classes it is the second one's probability that obeys; several labels and "
    "targets obey all. Such a column enters by a piecewise linear function only. Nothing is said of missing values: a "
    "prediction where the number is missing may be above or below all others.",
    "scoring": "the validation score, higher is better: one of the names above, one of sklearn.metrics."
    "get_scorer_names(), what make_scorer made, or a function of (y_true, predictions), of a classifier "
    "(y_true, probabilities). None: the negative loss (sklearn: accuracy, r2).",
    "callbacks": "a function, or a list of them, called after each epoch with the estimator and what is known of the "
    "epoch (`number`, `loss`, `score`, `is_best`, `seconds`); a true result ends the training. An `Observer` of "
    "`lamina.training.loop` among them sees the training's steps, beginning and end, too.",
    "n_jobs": "how many members are trained at a time by joblib's backend (threads, processes, a cluster: "
    "docs/scale.md), as scikit-learn counts them: None is 1, unless joblib.parallel_config says otherwise, and 1 has "
    "them side by side in one step. Of a search (`time_limit`, `trials`) it is how many trials are trained at a time, "
    "in threads unless joblib.parallel_config says otherwise. The result has the same bits.",
    "device": "where the network is trained: 'cpu', 'gpu', 'gpu:1' …, or 'auto': a GPU if there is one and the work is "
    "large enough. Afterwards it is on the CPU, so that predictions and files need no GPU; `device_` says what was "
    "taken. `partial_fit` stays on the CPU.",
    "precision": "what a GPU's tensor cores may round the operands of a step's large products to: 'float32' (not at "
    "all), 'tf32' (11 significant bits) or 'bfloat16' (8); sums and weights stay float32. Elsewhere products are "
    "computed in float32, with a warning where `device` is not 'auto'. docs/guide.md has the bounds.",
    "time_limit": "how long `fit` may take: seconds, or text such as '90s', '5m', '1h30m'. In this time networks of "
    "other settings than the preset's are trained, too, as far as none are given; those that are best together on the "
    "rows that they held out are averaged: see docs/estimators.md. Ctrl-C leaves the best so far. None: one training.",
    "trials": "how many configurations such a search has at most: with the same number, and no time limit, the result "
    "is the same bit by bit. None: as many as the time allows, or 16 of preset 'best' without a limit.",
    "class_weight": "a dict of weights by class, or 'balanced': by the inverse of the classes' frequencies; multiplied "
    "with `sample_weight`. The loss of validation rows has them too; accuracy, F1 and other scores don't.",
    "threshold": "of two classes, from which probability of the positive class on it is predicted: a number, or 'f1' "
    "or 'balanced', which choose the one with the best F1 or balanced accuracy on the validation rows; `threshold_` "
    "says which. None: the likelier class. Probabilities don't change. `positive_class_` is the second class or, of "
    "texts, the rarer one.",
}
"""What each parameter means."""

_ATTRIBUTES = {
    "classes_": "the classes in order (of a classifier; several labels: their positions).",
    "coefs_, intercepts_": "the weights (in, out) and biases (out,) of each layer, float32; of several "
    "members those of the first.",
    "loss_curve_": "the mean training loss of each epoch.",
    "loss_, best_loss_": "the last and the smallest of them (`best_loss_` is None with validation rows).",
    "validation_scores_, best_validation_score_, best_epoch_": "the score of each epoch, the best one, and its epoch, "
    "which is kept (of equal ones the last); None without validation rows.",
    "n_iter_, t_": "how many epochs were trained, and on how many rows in all.",
    "device_": "where it was trained: 'cpu(0)', 'gpu(0)' …",
    "n_features_in_, feature_names_in_": "the columns of the training table, and their names if it has any.",
    "fitted_": "all that predictions need: `encoder`, `network`, `target`.",
    "trials_": "after a search, a record of each trial: its `number`, `settings`, `score`, `seconds`, `epochs`, "
    "whether it is `complete`, and its `share` in the mean. What is said above of epochs is then of the best of the "
    "trials that have a share, and `best_validation_score_` is the score of the mean.",
    "n_layers_, n_outputs_, out_activation_": "the network's layers with input and output, its outputs, and what "
    "turns these into predictions.",
}

_Estimator = TypeVar("_Estimator", bound=type)


def documented(cls: _Estimator) -> _Estimator:
    """Complete the docstring of an estimator by its parameters and attributes, before the example."""
    text = inspect.cleandoc(cls.__doc__ or "")
    before, example, rest = text.partition(">>> ")
    signature: Any = inspect.signature(cls)
    parameters = "\n".join(
        _entry(name, f"{PARAMETERS[name]} {_default(name, given.default, cls)}")
        for name, given in signature.parameters.items()
    )
    attributes = "\n".join(_entry(name, meaning) for name, meaning in _ATTRIBUTES.items())
    cls.__doc__ = f"{before}Args:\n{parameters}\n\nAttributes:\n{attributes}\n\n{example}{rest}"
    return cls


def _entry(name: str, text: str) -> str:
    lines = textwrap.wrap(f"{name}: {text.strip()}", 100, break_on_hyphens=False)
    return textwrap.indent("\n".join([lines[0], *(f"    {line}" for line in lines[1:])]), "    ")


def _default(name: str, default: Any, cls: Any) -> str:
    """The value where none is given: the signature's, or those of the presets."""
    settings = {preset: resolve(preset, cls._task, {}) for preset in PRESETS}
    usual = settings.pop("default")
    if name not in usual:
        return f"Default: {default!r}."
    others = [f"{preset}: {its[name]!r}" for preset, its in settings.items() if its[name] != usual[name]]
    return f"Default: {usual[name]!r}" + (f" ({', '.join(others)})." if others else ".")
