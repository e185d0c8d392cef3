"""Boosted trees, trained by scikit-learn or other libraries and converted to arrays.

Each library trains a few rounds of trees at a time, so that a search can stop in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lamina.core.threads import get_num_threads

_FEW_VALUES = 1 << 18
"""Minimum rows · features for several threads; with less, scikit-learn's threads mostly wait for each other."""


@dataclass(frozen=True)
class Tree:
    """A regression tree, stored as arrays with a value for each node, (nodes,).

    At a node, a row goes to the left child if the row's value of `feature` is at most `bound`, otherwise to `right`.
    The left child is the next node. A leaf's right child is the leaf itself, and its output is in `said`.
    """

    feature: np.ndarray
    bound: np.ndarray
    right: np.ndarray
    said: np.ndarray
    depth: int

    @classmethod
    def of(cls, nodes: Iterable[Any], depth: int, *, below: bool = False) -> Tree:
        """A tree from arrays of nodes, where each node comes directly before its left child.

        Args:
            nodes: the feature, the bound, the right child, and the output of each node, (nodes,) each. The right child
                is 0 for leaves, since the root is no child.
            depth: the number of conditions on the longest path.
            below: whether a row whose value equals the bound goes to the right child, instead of to the left child.
        """
        feature, bound, right, said = map(np.asarray, nodes)
        is_leaf = right == 0
        feature = np.where(is_leaf, 0, feature).astype(np.float32)
        bound = np.where(is_leaf, -np.finfo(np.float32).max, _rounded_down(bound.astype(float), below))
        right = np.where(is_leaf, np.arange(len(right)), right).astype(np.float32)
        return cls(feature, bound, right, np.where(is_leaf, said, 0).astype(np.float32), depth)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """The tree's outputs for rows `x` (rows, features): (rows,)."""
        feature, right = self.feature.astype(np.int32), self.right.astype(np.int32)
        node, every = np.zeros(len(x), np.int32), np.arange(len(x))
        for _ in range(self.depth):
            node = np.where(x[every, feature[node]] <= self.bound[node], node + 1, right[node])
        return self.said[node]


def _rounded_down(bound: np.ndarray, below: bool) -> np.ndarray:
    """The greatest float32 numbers that are at most `bound` (with `below`: less than `bound`).

    A comparison of a float32 value with such a number has the same result as a comparison with `bound`.
    """
    near = bound.astype(np.float32)
    return np.where(near >= bound if below else near > bound, np.nextafter(near, np.float32(-np.inf)), near)


def arrays_of(trees: Sequence[Tree], nodes: int) -> dict[str, np.ndarray]:
    """The arrays of a network that computes these trees.

    The trees' nodes are concatenated, and padded to `nodes` nodes.
    """
    sizes = [len(tree.feature) for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    found = {"root": roots[None].astype(np.float32)}
    for name in ("feature", "bound", "right", "said"):
        parts = [
            getattr(tree, name) + (root if name == "right" else 0)
            for tree, root in zip(trees, roots, strict=True)
        ]
        found[name] = np.pad(np.concatenate(parts), (0, nodes - sum(sizes))).astype(np.float32)
    return {f"running.{name}": x for name, x in found.items()}


@dataclass(frozen=True)
class Rows:
    """The training rows for a boosting library.

    `x` is float32 (rows, features); `y` has class numbers or the numeric target, (rows,).
    """

    is_classification: bool
    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    seed: int

    @property
    def each(self) -> int:
        """The number of outputs, which is also the number of trees per round.

        It is the number of classes if there are more than two, otherwise 1.
        """
        classes = int(self.y.max()) + 1 if self.is_classification else 1
        return 1 if classes <= 2 else classes

    @property
    def objective(self) -> int:
        """The kind of the objective: 0 for a numeric target, 1 for two classes, 2 for more classes."""
        return self.is_classification + (self.each > 1)

    @property
    def constant(self) -> np.ndarray:
        """The constant outputs with the least loss, (each,)."""
        if not self.is_classification:
            return np.array([np.average(self.y, weights=self.weights)])
        shares = np.bincount(self.y.astype(int), self.weights, max(self.each, 2))
        logs = np.log(np.maximum(shares / shares.sum(), 1e-6))
        return logs if self.each > 1 else logs[1:] - logs[:1]


class Boosted:
    """A boosting model of a library, which can train more trees.

    Attributes:
        begin: the constant that is added to the trees' sum for each output, (outputs,).
    """

    def __init__(self, rows: Rows) -> None:
        self._rows, self._done = rows, 0
        self._model: Any = None
        self.begin = rows.constant
        self._start()

    def more(self, rounds: int) -> list[list[Tree]]:
        """Train more rounds; return the trees of each round, a tree for each output."""
        trees = [*self._grown(rounds)]
        self._done += rounds
        return [trees[i : i + self._rows.each] for i in range(0, len(trees), self._rows.each)]

    def _start(self) -> None:
        pass

    def _grown(self, rounds: int) -> Iterator[Tree]:
        raise NotImplementedError

    def _settings(self, *objectives: str) -> dict[str, Any]:
        """The seed, the objective of these (see `Rows.objective`), and the number of classes, if it is needed."""
        classes = {"num_class": self._rows.each} if self._rows.each > 1 else {}
        return {"seed": self._rows.seed, "objective": objectives[self._rows.objective], **classes}


class _HistGradientBoosting(Boosted):
    def _start(self) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        is_classification = self._rows.is_classification
        kind: Any = HistGradientBoostingClassifier if is_classification else HistGradientBoostingRegressor
        self._model = kind(warm_start=True, early_stopping=False, random_state=self._rows.seed)

    def _grown(self, rounds: int) -> Iterator[Tree]:
        model, x = self._model.set_params(max_iter=self._done + rounds), self._rows.x
        with threadpool_limits(1 if x.size < _FEW_VALUES else get_num_threads(), "openmp"):
            model.fit(x, self._rows.y, self._rows.weights)
        self.begin = np.ravel(model._baseline_prediction)
        for one in chain.from_iterable(model._predictors[self._done :]):
            names = "feature_idx", "num_threshold", "right", "value"
            yield Tree.of((one.nodes[name] for name in names), int(one.nodes["depth"].max()))


class _LightGBM(Boosted):
    def _start(self) -> None:
        lightgbm, rows = import_module("lightgbm"), self._rows
        settings = self._settings("regression", "binary", "multiclass")
        settings |= {"verbose": -1, "boost_from_average": False, "deterministic": True}
        data = lightgbm.Dataset(rows.x, rows.y, weight=rows.weights)
        data.set_init_score(self.begin.repeat(len(rows.y)))
        self._model = lightgbm.Booster(settings, data)

    def _grown(self, rounds: int) -> Iterator[Tree]:
        for _ in range(rounds):
            self._model.update()
        found = self._model.dump_model(start_iteration=self._done, num_iteration=rounds)["tree_info"]
        names = "split_feature", "threshold", "left_child", "right_child"
        for one in found:
            yield _nested(
                one["tree_structure"],
                lambda node: [node["leaf_value"]] if "leaf_value" in node else [node[name] for name in names],
            )


class _XGBoost(Boosted):
    def _start(self) -> None:
        xgboost, rows = import_module("xgboost"), self._rows
        settings = self._settings("reg:squarederror", "binary:logistic", "multi:softprob")
        settings["learning_rate"] = 0.1
        start = np.broadcast_to(self.begin, (len(rows.y), rows.each))
        self._data = xgboost.DMatrix(rows.x, rows.y, weight=rows.weights, base_margin=start.squeeze())
        self._model = xgboost.Booster(settings, [self._data])

    def _grown(self, rounds: int) -> Iterator[Tree]:
        for i in range(self._done, self._done + rounds):
            self._model.update(self._data, i)
        for text in self._model[self._done : self._done + rounds].get_dump(dump_format="json"):
            yield _nested(json.loads(text), self._node, below=True)

    @staticmethod
    def _node(node: Mapping[str, Any]) -> Sequence[Any]:
        if "leaf" in node:
            return [node["leaf"]]
        by_id = {child["nodeid"]: child for child in node["children"]}
        feature = int(node["split"].removeprefix("f"))
        return feature, np.float32(node["split_condition"]), by_id[node["yes"]], by_id[node["no"]]


class _CatBoost(Boosted):
    def _grown(self, rounds: int) -> Iterator[Tree]:
        rows, settings = self._rows, {"logging_level": "Silent", "allow_writing_files": False}
        settings |= {"random_seed": rows.seed, "iterations": rounds, "learning_rate": 0.1}
        settings["loss_function"] = ("RMSE", "Logloss", "MultiClass")[rows.objective]
        model = import_module("catboost").CatBoost({**settings, "boost_from_average": False})
        start = np.broadcast_to(self.begin, (len(rows.y), rows.each)).squeeze()
        wanted = rows.y.astype(int) if rows.is_classification else rows.y
        self._model = model.fit(
            rows.x, wanted, sample_weight=rows.weights, baseline=start, init_model=self._model
        )
        with TemporaryDirectory() as folder:
            path = Path(folder, "model.json")
            model.save_model(path, format="json")
            found = json.loads(path.read_text())["oblivious_trees"][self._done :]
        for one in found:
            for leaves in np.reshape(one["leaf_values"], (-1, rows.each)).T:
                yield _of_levels(one["splits"][::-1], leaves)


def _of_levels(splits: Sequence[Mapping[str, Any]], leaves: np.ndarray) -> Tree:
    """A tree in which all nodes of a level have the same condition (an oblivious tree).

    `splits` has the conditions from the root down.
    """

    def read(node: tuple[int, np.ndarray]) -> Sequence[Any]:
        level, below = node
        if len(below) == 1:
            return [below[0]]
        children = ((level + 1, half) for half in np.split(below, 2))
        return splits[level]["float_feature_index"], splits[level]["border"], *children

    return _nested((0, leaves), read)


def _nested(root: Any, read: Callable[[Any], Sequence[Any]], *, below: bool = False) -> Tree:
    """A tree from a library's nested nodes.

    `read` returns (output,) for a leaf, and (feature, bound, left child, right child) for an inner node.
    """
    rows: list[list[Any]] = []

    def add(node: Any) -> int:
        """Add a node and the nodes below it; return the depth."""
        place, found = len(rows), read(node)
        rows.append([0, 0.0, 0, found[0]])
        if len(found) == 1:
            return 0
        left = add(found[2])
        rows[place] = [found[0], found[1], len(rows), 0.0]
        return 1 + max(left, add(found[3]))

    depth = add(root)
    return Tree.of(zip(*rows, strict=True), depth, below=below)


LIBRARIES: Mapping[str, type[Boosted]] = {
    "boosting": _HistGradientBoosting,
    "lightgbm": _LightGBM,
    "xgboost": _XGBoost,
    "catboost": _CatBoost,
}
