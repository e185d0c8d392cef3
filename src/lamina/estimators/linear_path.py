"""A linear path in parallel to each network: a ridge or logistic regression, weighted on held-out rows.

With few rows or a nearly linear target, a network's thousands of weights learn noise that a linear model does not. So
after training, a linear model is fitted to each member's rows, with the numeric inputs, clipped and unclipped, and
categories as one-hot columns. Each member becomes the weighted mean of the network and the linear model (stacking:
Wolpert, 1992; Breiman, 1996, "Stacked regressions"). The weight is the mean of its posterior distribution, given the
losses on held-out rows: with few rows, the weight of lowest loss is mostly chance. With weight 0, the networks are
unchanged. docs/adr/linear-path.md has the measurements.

The best epoch was chosen on the same rows, so the networks' loss is too low there; `optimism` estimates by how much.

The loss is that of single members, but predictions are the mean of all members, whose errors partly cancel. An
estimate of this gain is subtracted from the networks' loss (Krogh and Vedelsby, 1995); see `_outputs_about`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, starmap
from typing import NamedTuple

import numpy as np

from lamina import nd
from lamina.core.blas import apart, matmul
from lamina.estimators.data import Data, Parts, targets_of
from lamina.estimators.fitted import own_outputs
from lamina.estimators.network import Ensemble, Network, path_inputs
from lamina.estimators.targets import AnyTarget, Classes
from lamina.training.loop import Epoch

_MOST_INPUTS, _MOST_COEFFICIENTS = 1 << 11, 1 << 14
_MOST_CODES = 1 << 8  # of all columns; more would take long for the principal components
MOST_ROWS = 5000  # maximum rows to fit a linear model to, evenly spaced
_FEWEST_ROWS = 1000  # the maximum for wide tables
_NUMBERS = 1 << 19  # maximum rows · coefficients, above the minimum rows
_MOST_HELD_OUT = 2000  # held-out rows of each part
_PENALTIES = 10.0 ** np.arange(4, -2.5, -0.5)
_STEPS = 100  # maximum steps of a logistic regression per penalty, from the solution for the previous penalty
_MOST_BY_CURVATURE = 96  # maximum coefficients of a logistic regression whose Hessian is inverted per penalty
_STEPS_BY_CURVATURE = 16  # maximum steps with this inverse, exact at the solution for the previous penalty
_SHORT_STEP = 0.001  # a step that changes the outputs by less (root mean square) is the last
_WEIGHTS = np.linspace(0, 1, 21)
_LEAST_WEIGHT = 0.1  # a smaller weight gains nothing, and takes as long to compute
# A linear model is hopeless that stays this far above the networks' loss, and whose least weight is this unlikely.
_FAR, _UNLIKELY = 1.5, 0.2
_SHORTEST = 1e-6  # minimum standard deviation of a non-constant input


def with_linear_path(
    network: Ensemble, target: AnyTarget, train: Parts, held_out: Parts, optimism: float = 0.0
) -> tuple[Ensemble, np.ndarray | None]:
    """The ensemble with a linear path in each member, or `network` itself if linear paths don't improve it.

    The second result is the ensemble's outputs for the held-out rows, as of `own_outputs`, if they are known.

    Args:
        network: the trained networks.
        target: the classes or the scale of numbers, which define the meaning of the outputs.
        train: each member's training rows.
        held_out: each member's held-out rows, or a single item with the held-out rows of all members.
        optimism: how much the networks' loss on held-out rows is too low; see `optimism`.
    """
    parts = network.architecture
    codes = parts.cardinalities if sum(parts.cardinalities) <= _MOST_CODES else ()
    size = 2 * parts.inputs * parts.outputs
    is_small = 0 < parts.inputs <= _MOST_INPUTS and size <= _MOST_COEFFICIENTS
    if parts.monotone or parts.skip or not is_small:
        return network, None
    rows = int(np.clip(_NUMBERS // (size + sum(codes) * parts.outputs), _FEWEST_ROWS, MOST_ROWS))
    seen = [_some(part, rows) for part in train]
    judged = [_some(part, _MOST_HELD_OUT) for part in held_out]
    if not all(map(len, [*seen, *judged])):
        return network, None
    loss = _loss_of(target, judged)
    own, others = _outputs_about(network, judged)
    if not np.isfinite(own).all():
        return network, None
    gain = np.mean([loss(one) for one in others]) - loss(own)

    def mixed(linear: np.ndarray, weights: np.ndarray) -> np.ndarray:
        losses = np.array([loss((1 - weight) * own + weight * linear) for weight in weights])
        return losses + (1 - weights) * optimism - (1 - weights) ** 2 * gain

    is_long = isinstance(target, Classes) and size > _MOST_BY_CURVATURE

    def is_hopeless(lowest: float, linear: np.ndarray) -> bool:
        losses = mixed(linear, np.array([0, _LEAST_WEIGHT]))
        return is_long and lowest > _FAR * losses[0] and _posterior(target, losses, len(own))[-1] < _UNLIKELY

    path = partial(_best, target, seen, judged, codes, is_hopeless)
    found = train[0].once("linear models", [*train[1:], *held_out], path)
    if found is None or any(starmap(is_hopeless, found[2])):
        return network, None
    best, linear, _ = found
    weight = float(_WEIGHTS @ _posterior(target, mixed(linear, _WEIGHTS), len(own)))
    if weight < _LEAST_WEIGHT:
        return network, None
    members = [_joined(member, line, weight) for member, line in zip(network.members, best, strict=True)]
    has_all = len(own) == sum(map(len, held_out))
    mean = ((1 - weight) * own + weight * linear).astype(np.float32) if has_all else None
    return Ensemble(members, network.shares), mean


def _best(
    target: AnyTarget,
    seen: Parts,
    judged: Parts,
    cardinalities: Sequence[int],
    is_hopeless: Callable[[float, np.ndarray], bool],
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, np.ndarray]]] | None:
    """The members' linear models, with the penalty of lowest loss, and their outputs for held-out rows.

    Penalties decrease until the loss rises. Each gain is usually a smaller share of the gain before, so that a
    geometric series of gains ends at a loss below which no smaller penalty comes. These losses are returned, too, with
    the outputs. None: at one of them, `is_hopeless` is true.
    """
    loss, inputs = _loss_of(target, judged), [_inputs(part, cardinalities) for part in judged]
    best = said = np.zeros(0)
    lowest = gained = np.inf
    foreseen: list[tuple[float, np.ndarray]] = []
    for of_members in lines(target, seen, cardinalities=cardinalities):
        outputs = _said(of_members, inputs)
        gain = lowest - (found := loss(outputs))
        if not gain > 0:
            break
        best, said, lowest = of_members, outputs, found
        if gain < gained < np.inf:
            foreseen.append((lowest - gain**2 / (gained - gain), said))
            if is_hopeless(*foreseen[-1]):
                return None
        gained = gain
    return (best, said, foreseen) if np.isfinite(lowest) else None


def losses_of_parts(
    target: AnyTarget, parts: Parts, factor: Callable[..., float]
) -> Callable[[np.ndarray], list[float]]:
    """A function from outputs for all parts' rows, concatenated, to the sum of the losses of each part.

    The list is empty if a sum is not finite. `factor` calibrates outputs: a function of outputs, targets and weights.
    """
    wanted, weights = targets_of(parts)
    starts = np.cumsum([0, *map(len, parts)])[:-1]

    def losses(outputs: np.ndarray) -> list[float]:
        rows = _row_losses(target, outputs * np.float32(factor(outputs, wanted, weights)), wanted)
        sums = np.add.reduceat(rows if weights is None else rows * weights, starts)
        return sums.tolist() if np.isfinite(sums).all() else []

    return losses


def optimism(past: Sequence[Epoch], parts: Parts) -> float:
    """How much the mean loss of the parts' rows is too low in the best epoch, which was chosen on these rows.

    It is compared with the loss of each part in the epoch that is best for the other parts.
    """
    found = [epoch.part_losses for epoch in past]
    if len(parts) < 2 or not found or not all(len(sums) == len(parts) for sums in found):
        return 0.0
    sums, (_, weights) = np.array(found), targets_of(parts)
    chosen = (sums.sum(axis=1, keepdims=True) - sums).argmin(axis=0)
    more = sums[chosen, np.arange(len(parts))].sum() - sums.sum(axis=1).min()
    return float(max(more, 0.0) / (sum(map(len, parts)) if weights is None else weights.sum()))


def _posterior(target: AnyTarget, losses: np.ndarray, rows: int) -> np.ndarray:
    """The posterior probabilities of weights with these mean losses on held-out rows, if all are equally likely before.

    Errors of numbers are normal, with unknown variance.
    """
    found = np.maximum(losses, np.finfo(np.float32).tiny)
    logarithm = -rows * (found if isinstance(target, Classes) else np.log(found) / 2)
    shares = np.exp(logarithm - logarithm.max())
    return shares / shares.sum()


def _some(data: Data, most: int) -> Data:
    """Evenly spaced rows of non-zero weight, at most `most`."""
    rows = data.weighted
    return replace(data, rows=rows[:: max(-(-len(rows) // most), 1)])


def _inputs(data: Data, cardinalities: Sequence[int]) -> np.ndarray:
    """The linear path's inputs followed by a column of ones: (rows, 2 · numeric inputs + codes + 1), float64."""
    numeric = nd.array(np.asarray(data.numeric[data.chosen()]))
    of_path = [x.asnumpy() for x in path_inputs(numeric)]
    if cardinalities and data.codes is not None:
        codes = data.codes[data.chosen()]
        of_path += [np.eye(count)[codes[:, j]] for j, count in enumerate(cardinalities)]
    return np.concatenate([*of_path, np.ones((len(numeric), 1))], axis=1, dtype=np.float64)


def _loss_of(target: AnyTarget, parts: Parts) -> Callable[[np.ndarray], float]:
    """A function from outputs to their mean loss.

    The outputs are for the rows of all parts, concatenated.
    """
    wanted, weights = targets_of(parts)
    return lambda outputs: float(np.average(_row_losses(target, outputs, wanted), weights=weights))


def _row_losses(target: AnyTarget, outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    if isinstance(target, Classes):
        return -target.log_likelihood(outputs, wanted)
    return np.square(target.clamped(outputs) - wanted).mean(axis=1)


def _outputs_about(network: Ensemble, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Each member's outputs for its own part, and the same outputs shifted by every member's deviation from the mean.

    The first array (rows, outputs) has the rows of all parts, concatenated. In the second array (members, rows,
    outputs), a row's outputs are shifted by each member's outputs for this row, minus the mean of all members' outputs.
    The mean loss of the second array, minus the loss of the first, estimates the gain from averaging the members. Most
    members have trained on a part's rows, but their deviations from the mean are about as large as for new rows.
    """
    begins = np.cumsum([0, *map(len, parts)])
    turned = [own_outputs(network, [*parts[k:], *parts[:k]]) for k in range(len(parts))]
    every = np.array([np.roll(x, begins[k], axis=0) for k, x in enumerate(turned)], np.float64)
    return every[0], every[0] + every - every.mean(axis=0)


def _said(of_members: np.ndarray, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The outputs of each linear model for its part of the rows, concatenated.

    For a single part, the result is the mean of all models' outputs.
    """
    models = of_members.mean(axis=0, keepdims=True) if len(inputs) == 1 else of_members
    return np.concatenate([matmul(x, line) for x, line in zip(inputs, models, strict=True)])


def _joined(member: Network, line: np.ndarray, weight: float) -> Network:
    """The weighted mean of a member and a linear model, as a network.

    `weight` is the linear model's share, and `line` has the linear model's coefficients, which become rows of the last
    layer's matrix, effects of categories, and part of the bias.
    """
    parts, arrays = member.architecture, member.state()
    last, numeric = len(parts.hidden), 2 * parts.inputs
    if effects := len(line) > numeric + 1:
        starts = numeric + np.cumsum([0, *parts.cardinalities])
        for j, (begin, end) in enumerate(pairwise(starts)):
            arrays[f"effect{j}"] = (line[begin:end] * weight).astype(np.float32)
    matrix = np.concatenate([member.multiplier(last) * (1 - weight), line[:numeric] * weight])
    arrays[f"weight{last}"] = (matrix * (np.sqrt(len(matrix)) if parts.ntk else 1)).astype(np.float32)
    arrays[f"bias{last}"] = (arrays[f"bias{last}"] * (1 - weight) + line[-1] * weight).astype(np.float32)
    return Network.from_state(replace(parts, skip=True, effects=effects), arrays)


# --- linear models ---------------------------------------------------------------------------------------------------


def lines(
    target: AnyTarget, members: Parts, inputs: Sequence[np.ndarray] = (), cardinalities: Sequence[int] = ()
) -> Iterator[np.ndarray]:
    """The coefficients (members, inputs + 1, outputs) of linear models of each member's rows, for decreasing penalties.

    Args:
        target: the classes or the scale of numbers, which define the meaning of the outputs.
        members: each member's rows.
        inputs: each member's (rows, inputs), float64; (): the numeric inputs, clipped and unclipped, and codes.
        cardinalities: the numbers of codes of the code columns that are inputs, as one-hot columns.

    The last row of the coefficients is the intercept, which has no penalty. Inputs are standardized, except for one-hot
    columns of codes, so that rare categories shrink more. Then they are projected on their principal components. A
    ridge regression (Hoerl and Kennard, 1970) is solved there; a logistic regression takes accelerated steps
    (Nesterov, 1983; restarted as in O'Donoghue and Candès, 2015) with a bound on the curvature (Böhning, 1992). With
    few coefficients, steps with the Hessian at the solution for the previous penalty are tried first, as a few suffice.
    """
    given = inputs or (_inputs(part, cardinalities)[:, :-1] for part in members)
    pairs = zip(members, given, strict=True)
    each = apart(lambda pair: _standard(target, *pair, sum(cardinalities)), pairs)
    if not isinstance(target, Classes):
        yield from _ridges(each)
        return
    rows = max(len(one.x) for one in each)
    width = max(len(one.sizes) + 1 for one in each)
    # A logistic regression without a Hessian takes many short steps, which correct each other's rounding.
    is_large = not target.multilabel and width * target.outputs > _MOST_BY_CURVATURE
    kind = np.float32 if is_large else np.float64
    x_of, wanted_of, weights_of = (
        np.zeros((len(each), rows, *shape), kind) for shape in ((width,), (target.outputs,), ())
    )
    sizes = np.zeros((len(each), width, 1), kind)
    # A row of weight 0 and a component of size 0 add nothing.
    for k, one in enumerate(each):
        count = len(one.x)
        x_of[k, :count, : len(one.sizes)] = matmul(one.x, one.turn)
        wanted_of[k, :count], weights_of[k, :count] = one.wanted, one.weights
        x_of[k, :, -1], sizes[k, : len(one.sizes), 0], sizes[k, -1] = 1, one.sizes, count
    each = [one._replace(x=one.x[:0]) for one in each]  # without their memory
    for found in _solutions(target, x_of, wanted_of, weights_of, sizes):
        yield np.array([one.back(of_one) for one, of_one in zip(each, found, strict=True)])


class _Standard(NamedTuple):
    """A member's standardized inputs, outputs and weights (rows, …), and the principal components of the inputs.

    `sizes` has the components' sums of squares, and `turn` their directions as columns. `center` and `scale` are those
    of the inputs.
    """

    x: np.ndarray
    wanted: np.ndarray
    weights: np.ndarray
    sizes: np.ndarray
    turn: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    def back(self, found: np.ndarray) -> np.ndarray:
        """The coefficients of the inputs, from those of the components and the intercept."""
        line = matmul(self.turn, found[: len(self.sizes)]) / self.scale[:, None]
        return np.concatenate([line, found[-1:] - self.center @ line])


def _standard(target: AnyTarget, data: Data, inputs: np.ndarray, codes: int) -> _Standard:
    """A member's `inputs`, standardized except for the last `codes` columns."""
    rows = data.chosen()
    wanted = data.target[rows].astype(np.float64)
    if isinstance(target, Classes) and wanted.ndim == 1:
        wanted = np.eye(target.outputs)[wanted.astype(int)]
    weights = np.ones(len(data)) if data.weights is None else data.weights[rows].astype(np.float64)
    weights *= len(weights) / weights.sum()
    mean = partial(np.average, axis=0, weights=None if data.weights is None else weights)
    center = mean(inputs)
    x = inputs - center
    spread = np.sqrt(mean(np.square(x)))
    scale = np.where(spread > _SHORTEST, spread, np.inf)
    scale[len(scale) - codes :] = 1
    x /= scale
    sizes, turn = _components(x if data.weights is None else x * np.sqrt(weights)[:, None])
    return _Standard(x, wanted, weights, sizes, turn, center, scale)


def _components(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum of squares of each principal component of x (rows, inputs), and the components' directions.

    The directions are columns.
    """
    is_wide = x.shape[1] > x.shape[0]
    sizes, turn = np.linalg.eigh(x @ x.T if is_wide else x.T @ x)
    kept = sizes > max(sizes[-1], 1.0) * 1e-10
    sizes, turn = sizes[kept], turn[:, kept]
    return sizes, matmul(x.T, turn / np.sqrt(sizes)) if is_wide else turn


def _ridges(members: Sequence[_Standard]) -> Iterator[np.ndarray]:
    """The coefficients (members, inputs + 1, outputs) of ridge regressions for each penalty."""
    weighted = [one.weights[:, None] * one.wanted for one in members]
    products = [matmul(one.turn.T, matmul(one.x.T, y)) for one, y in zip(members, weighted, strict=True)]
    for penalty in _PENALTIES:
        found = [
            np.concatenate([product / (one.sizes[:, None] + penalty), y.mean(axis=0, keepdims=True)])
            for one, product, y in zip(members, products, weighted, strict=True)
        ]
        yield np.array([one.back(of_one) for one, of_one in zip(members, found, strict=True)])


def _solutions(
    target: Classes, x: np.ndarray, wanted: np.ndarray, weights: np.ndarray, sizes: np.ndarray
) -> Iterator[np.ndarray]:
    """The coefficients (members, columns, outputs) of logistic regressions on `x` for each penalty.

    The columns of `x` (members, rows, columns) are orthogonal, with these sums of squares; the last column is constant.
    """
    # Rows come last: products with a short last axis are slow, and so are sums over one.
    across, to_reach = (np.ascontiguousarray(each.swapaxes(1, 2)) for each in (x, wanted))
    weighted = across * weights[:, None]
    found = np.zeros((*sizes.shape[:2], wanted.shape[2]), x.dtype)
    bound, meaning = 0.25 if target.multilabel else 0.5, _probabilities_of(target)
    shares = np.clip(matmul(weighted[:, -1:], wanted) / sizes[:, -1:], 1e-4, 1 - 1e-4)
    found[:, -1:] = np.log(shares / (1 - shares if target.multilabel else 1))
    by_curvature = not target.multilabel and found[0].size <= _MOST_BY_CURVATURE
    for penalty in _PENALTIES:
        held = np.full_like(sizes, penalty)
        held[:, -1] = 0

        def slopes_at(at: np.ndarray, held: np.ndarray = held) -> np.ndarray:
            reached = meaning(matmul(at.swapaxes(1, 2), across))
            return matmul(weighted, (to_reach - reached).swapaxes(1, 2)) - held * at

        begin, is_short = found, False
        if by_curvature:
            reached = meaning(matmul(begin.swapaxes(1, 2), across))
            each = zip(across, weighted, reached, held, strict=True)
            inverse = np.array(apart(lambda one: _inverse(*one), each))
            found, is_short = _descended(begin, slopes_at, inverse, sizes, _STEPS_BY_CURVATURE)
        if not is_short:
            found, _ = _descended(begin, slopes_at, bound * sizes + held, sizes, _STEPS)
        yield found


def _descended(
    begin: np.ndarray,
    slopes_at: Callable[[np.ndarray], np.ndarray],
    by: np.ndarray,
    sizes: np.ndarray,
    most: int,
) -> tuple[np.ndarray, bool]:
    """The coefficients after at most `most` accelerated steps, and whether the last steps were short for all members.

    `by` is the inverse Hessian (members, coefficients, coefficients), or its diagonal's bound (members, columns, 1).
    """
    at, before, found, speed = begin, begin, begin, np.zeros((len(sizes), 1, 1), begin.dtype)
    for _ in range(most):
        slopes = slopes_at(at)
        is_bound = by.shape[2] == 1
        change = slopes / by if is_bound else matmul(by, slopes.reshape(len(by), -1, 1)).reshape(slopes.shape)
        found = at + change
        if ((np.square(change) * sizes).sum(axis=(1, 2)) < _SHORT_STEP**2 * sizes[:, -1, 0]).all():
            return found, True
        gained = found - before
        speed = np.where((slopes * gained).sum(axis=(1, 2), keepdims=True) > 0, speed + 1, 0)
        at, before = found + speed / (speed + 3) * gained, found
    return found, False


def _probabilities_of(target: Classes) -> Callable[[np.ndarray], np.ndarray]:
    """`target.probabilities` of outputs (members, outputs, rows) in NumPy, which needs no compiling."""
    if target.multilabel:
        return lambda outputs: np.exp(target.log_probabilities(outputs))

    def probabilities(outputs: np.ndarray) -> np.ndarray:
        found = outputs - outputs.max(axis=1, keepdims=True)
        np.exp(found, out=found)
        found /= found.sum(axis=1, keepdims=True)
        return found

    return probabilities


def _inverse(across: np.ndarray, weighted: np.ndarray, p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The inverse Hessian of a member's penalized log-loss, for probabilities `p` (classes, rows).

    The sum of the constants over the classes changes nothing, and gets a tiny penalty.
    """
    (columns, rows), classes = across.shape, len(p)
    both = (across[:, None] * p).reshape(-1, rows)
    with_weights = (weighted[:, None] * p).reshape(-1, rows)
    found = -(with_weights @ both.T).reshape(columns, classes, columns, classes)
    for j in range(classes):
        found[:, j, :, j] += (weighted * p[j]) @ across.T
    found = found.reshape(columns * classes, -1)
    found += np.eye(columns * classes) * np.repeat(held + 1e-3, classes, axis=0)
    return np.linalg.inv(found)
