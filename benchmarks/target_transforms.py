"""Regressions on transformed targets, beside the standardized target: what it brings, in the target's own unit.

    python benchmarks/target_transforms.py --folder /where/california.csv/is --preset medium --seeds 3

* `log`: squared error of log(y), of targets above 0; `power` and `normal`: of scikit-learn's PowerTransformer
  (Yeo-Johnson) and QuantileTransformer (normal scores). What is predicted is the mean of what is transformed back, with
  the residuals of held-out rows added (the smearing estimate of Duan, 1983), which is what RMSE asks for.
* `poisson`: outputs are logarithms of y over its mean, and the loss is Poisson's, whose minimum is at the mean whatever
  the noise (Gourieroux, Monfort, Trognon, 1984); for targets that are not negative. `gamma`: likewise with the deviance
  of the gamma distribution, which looks at relative errors as `log` does; for targets above 0.

The best epoch is that of the smallest squared error in the target's own unit on the rows that are held out.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from paired import Split, arguments, loss_of, measured, split, summary
from sklearn.preprocessing import PowerTransformer, QuantileTransformer

import lamina
from lamina import nd
from lamina.estimators.data import targets_of
from lamina.estimators.fitted import own_outputs
from lamina.estimators.targets import Numbers

TABLES = (
    "california", "diabetes", "diamonds", "Computers", "Wages", "SLID", "OFP", "LaborSupply", "BudgetFood",
    "friedman1", "CPS1988", "NMES1988", "DoctorVisits", "Star", "Boston",
)  # fmt: skip
_RESIDUALS = 16


@dataclass(frozen=True)
class Transformed(Numbers):
    """Numbers that are transformed by a function before they are standardized."""

    forward: Any = None
    inverse: Any = None
    residuals: list[np.ndarray] = field(default_factory=list)

    def encode(self, y: np.ndarray) -> np.ndarray:
        return super().encode(self.forward(y))

    def decode(self, target: np.ndarray) -> np.ndarray:
        return self.inverse(super().decode(target))

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        z = outputs[:, 0].astype(float)
        added = self.residuals[0] if self.residuals else np.zeros(1)
        return np.mean([np.clip(self._own(z + r), self.low, self.high) for r in added], axis=0)

    def _own(self, z: np.ndarray) -> np.ndarray:
        return self.inverse(z * self.scale[0] + self.center[0])

    def clamped(self, outputs: np.ndarray) -> np.ndarray:
        return outputs

    def smear(self, outputs: np.ndarray, target: np.ndarray) -> None:
        """Have the residuals of these rows."""
        shares = (np.arange(_RESIDUALS) + 0.5) / _RESIDUALS
        self.residuals[:] = [np.quantile((target - outputs)[:, 0].astype(float), shares)]


def _functions(kind: str, y: np.ndarray) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if kind == "log":
        return np.log, np.exp
    if kind == "power":
        power = PowerTransformer(standardize=True).fit(y[:, None])
    else:
        power = QuantileTransformer(output_distribution="normal", random_state=0).fit(y[:, None])
    limits = power.transform(np.array([[y.min()], [y.max()]])).ravel()
    inverse = lambda z: power.inverse_transform(np.clip(z, *limits)[:, None])[:, 0]  # noqa: E731
    return lambda values: power.transform(values[:, None])[:, 0], inverse


class Regressor(lamina.MLPRegressor):
    """Of the kind `link`, judged by the squared error in the target's own unit."""

    link = ""

    def _target_of(self, y: np.ndarray) -> Numbers:
        if self.link in LINKS:
            plain, mean = Numbers.of(y), np.array([y.mean()])
            return Numbers(plain.low, plain.high, np.zeros(1), mean, True, True)
        forward, inverse = _functions(self.link, y)
        inner = Numbers.of(forward(y))
        extremes = np.array([y.min()]), np.array([y.max()])
        return Transformed(*extremes, inner.center, inner.scale, True, False, forward, inverse)

    def _loss_function(self, settings: Any, target: Any) -> Any:
        if self.link not in LINKS:
            return super()._loss_function(settings, target)
        from lamina.estimators import _losses

        return _losses.poisson if self.link == "poisson" else gamma

    def _score_outputs(self, outputs: np.ndarray, target: np.ndarray, weights: Any) -> float:
        numbers = self.fitted_.target
        if isinstance(numbers, Transformed):
            numbers.smear(outputs, target)
        errors = numbers.decode(target) - numbers.predictions(outputs)
        return -float(np.mean(errors**2))

    def _calibrate(self, held_out: Any) -> None:
        if isinstance(self.fitted_.target, Transformed):
            self.fitted_.target.smear(own_outputs(self.fitted_.network, held_out), targets_of(held_out)[0])


LINKS = ("poisson", "gamma")


def gamma(outputs: Any, target: Any) -> Any:
    """The gamma distribution's deviance / 2 without what is constant: y·exp(−z) + z."""
    return nd.mean(target * nd.exp(-outputs) + outputs, axis=1)


VARIANTS = ("plain", "log", "power", "normal", "poisson", "gamma")


def kind_of(variant: str, y: np.ndarray) -> Any:
    """The estimator's class; None where the target cannot be transformed so."""
    if variant == "plain":
        return lamina.MLPRegressor
    if (variant in ("log", "gamma") and y.min() <= 0) or (variant == "poisson" and y.min() < 0):
        return None
    return type("Regressor", (Regressor,), {"link": variant})


def fits(one: Split, variant: str, preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A line for the model with this target; none, where the target cannot be so."""
    kind = kind_of(variant, one.y)
    if kind is None:
        return
    begun = time.process_time()
    model = kind(preset=preset, random_state=seed).fit(one.X, one.y)
    seconds = time.process_time() - begun
    target = model.fitted_.target
    held = model.best_validation_score_
    held *= -2 * float(target.scale[0]) ** 2 if variant == "plain" else -1
    yield {"loss": loss_of(one, model.predict(one.X_test)), "held": held**0.5, "seconds": round(seconds, 2)}


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__, TABLES, "target_transforms.jsonl")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    variants = options.variants.split(",")
    lines: list[Any] = []
    for name in options.tables.split(","):
        one = split(name, options.folder)
        keys = [
            {"table": name, "variant": variant, "preset": options.preset, "seed": seed}
            for seed in range(options.seeds)
            for variant in variants
        ]
        lines = measured(
            options.out, keys, lambda key, one=one: fits(one, key["variant"], key["preset"], key["seed"])
        )
    lines = [line for line in lines if line["preset"] == options.preset]
    print(summary(lines, variants))


if __name__ == "__main__":
    main()
