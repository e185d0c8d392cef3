"""Metrics of numbers of any size."""

import numpy as np
import pytest

from lamina.runs.metrics import compared, metrics_of


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e160, 1e200, 1e307])
def test_metrics_of_extreme_numbers(unit):
    target, outputs = np.array([1.0, 3.0, 4.0]), np.array([1.5, 2.0, 4.0])
    usual = metrics_of("regression", target, outputs)
    extreme = metrics_of("regression", target * unit, outputs * unit)
    assert extreme["r2"] == pytest.approx(usual["r2"])
    assert extreme["rmse"] / unit == pytest.approx(usual["rmse"])
    assert extreme["mae"] / unit == pytest.approx(usual["mae"])


@pytest.mark.parametrize("unit, shown", [(1e-30, "5e-31"), (1e30, "5e+29"), (1.0, "0.5000"), (1e5, "50,000")])
def test_extreme_numbers_can_be_read(unit, shown):
    metrics = metrics_of("regression", np.array([1.0, 3.0]) * unit, np.array([1.5, 2.5]) * unit)
    _, rows = compared({"lamina": metrics})
    assert [text for text, _ in rows["lamina"]] == [shown, shown, "0.7500"]
