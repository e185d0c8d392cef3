"""`device=` of the estimators and of `lamina train`: what is chosen, and that it trains there."""

from __future__ import annotations

import json
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lamina as mx
from lamina.compiler.cpu.machine import compiling_for, host_machine
from lamina.errors import ContextError
from lamina.training.device import (
    WORTHWHILE_FLOPS,
    chosen_device,
    described,
    rounds_products,
    training_flops,
    warn_if_not_rounded,
)

sklearn = pytest.importorskip("sklearn", reason="NOT TESTED: estimators on devices, without scikit-learn")


def test_auto_takes_a_gpu_only_for_much_work(emulated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from pretended_gpus import fake_cuda_devices

    much = 2 * WORTHWHILE_FLOPS
    assert chosen_device("auto", much) is mx.cpu()  # an emulator is no gain
    assert chosen_device("gpu:1", 1) is mx.gpu(1)
    assert described(mx.gpu(1)) == "gpu(1), lamina's emulator"
    fake_cuda_devices(monkeypatch, [(9, 0)])
    assert chosen_device("auto", much) is mx.gpu(0)
    assert chosen_device("auto", WORTHWHILE_FLOPS / 2) is mx.cpu()
    assert training_flops(269_322, 60_000, 10) < WORTHWHILE_FLOPS < training_flops(2048**2 * 4, 60_000, 1)
    for unknown in ("cuda", "gpu:", "", None):
        with pytest.raises(ContextError, match=r"is unknown; known: 'cpu', 'gpu', 'gpu:1'"):
            chosen_device(unknown, 1)  # type: ignore[arg-type]


def fitted(device: str) -> Any:
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 4))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    model = mx.MLPClassifier(
        (8,),
        preset="sklearn",
        max_iter=3,
        batch_size=20,
        random_state=0,
        early_stopping=True,
        device=device,
        tol=-1,
    )
    return model.fit(X, y), X


def test_an_estimator_trains_there_and_predicts_anywhere(by_numpy: None) -> None:
    expected, X = fitted("cpu")
    model, _ = fitted("gpu:1")
    assert (expected.device_, model.device_) == ("cpu(0)", "gpu(1)")
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    with mx.gpu():
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_DEVICE", "none")
    with pytest.raises(ValueError, match=r"gpu\(0\) is not available"):
        fitted("gpu")


def test_the_doctor_lists_devices_and_checks_one(emulated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.cli import _doctor as doctor

    assert doctor._devices()["gpu(0)"] == "emulator (emulator)"
    assert all(doctor._devices().values())
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    assert "agrees with the CPU; 4.0 of 4.0 GiB are free" in doctor._device_checks()["gpu(0)"]()
    monkeypatch.setenv("LAMINA_DEVICE", "none")
    assert doctor._device_checks() == {}
    assert doctor._devices() == {"looked for": "nothing, since LAMINA_DEVICE=none"}


def test_the_command_says_where_it_trains(
    emulated: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.cli import _app as app

    monkeypatch.setenv("LAMINA_COMPILE", "0")
    table = tmp_path / "t.csv"
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'xy'[int(a > b)]}" for a, b in random.normal(size=(60, 2))]
    table.write_text("a,b,c\n" + "\n".join(rows))
    arguments = ["train", str(table), "--target", "c", "--preset", "sklearn", "--epochs", "1"]
    found = CliRunner().invoke(app.app, [*arguments, "--device", "gpu", "--out", str(tmp_path / "run")])
    assert found.exit_code == 0, found.output
    assert "lamina: trained on gpu(0)" in found.output


def test_steps_have_the_precision_that_was_asked_for(by_numpy: None, recwarn: Any) -> None:
    from lamina.training.loop import Loop, Observer

    found = []

    class Watch(Observer):
        def on_begin(self, loop: Loop) -> None:
            found.append(loop._members[0].step.precision)

    random = np.random.default_rng(0)
    X, y = random.normal(size=(40, 3)), random.integers(0, 2, 40)
    how: dict[str, Any] = {"preset": "fast", "max_iter": 1, "random_state": 0, "callbacks": [Watch()]}
    mx.MLPClassifier((4,), device="gpu", precision="tf32", **how).fit(X, y)
    mx.MLPClassifier((4,), device="auto", precision="bfloat16", **how).fit(X, y)
    assert found == ["tf32", "bfloat16"]
    assert not [w for w in recwarn if "precision" in str(w.message)]
    with pytest.raises(
        ValueError, match=r"^MLPClassifier: precision must be one of 'float32', 'tf32', 'bfloat16'"
    ):
        mx.MLPClassifier(precision="half").fit(X, y)


@pytest.mark.slow
def test_the_cpu_says_that_it_does_not_round() -> None:
    from lamina.recipes import Digits, Settings, Training

    said = r"precision='tf32' is for GPUs with tensor cores, but cpu\(0\) has none: products are computed in float32"
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    how: dict[str, Any] = {"preset": "fast", "max_iter": 1, "random_state": 0}
    with pytest.warns(UserWarning, match=said) as warned:
        rounded = mx.MLPClassifier((4,), precision="tf32", **how).fit(X, y)
    assert [w.filename for w in warned] == [__file__]
    np.testing.assert_array_equal(
        rounded.predict_proba(X), mx.MLPClassifier((4,), **how).fit(X, y).predict_proba(X)
    )
    digits = Digits.from_arrays(np.zeros((4, 28, 28), np.uint8), np.arange(4))
    with pytest.warns(UserWarning, match=said):
        Training(Settings(hidden=(2,), precision="tf32"), digits, digits)


def test_a_cpu_with_a_matrix_unit_rounds_to_bfloat16_alone() -> None:
    machine = replace(host_machine(), has_matrix_unit=True)
    with compiling_for(machine):
        assert rounds_products(mx.cpu(), "bfloat16") and not rounds_products(mx.cpu(), "tf32")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warn_if_not_rounded("bfloat16", mx.cpu())
    with compiling_for(replace(machine, has_matrix_unit=False, has_fast_pairs=True)):
        assert rounds_products(mx.cpu(), "bfloat16") and not rounds_products(mx.cpu(), "tf32")
    with compiling_for(replace(machine, has_matrix_unit=False, has_fast_pairs=False)):
        assert not rounds_products(mx.cpu(), "bfloat16")
        with pytest.warns(
            UserWarning,
            match=r"precision='bfloat16' is for GPUs .* and CPUs with fast bfloat16 products .*, but cpu\(0\)",
        ):
            warn_if_not_rounded("bfloat16", mx.cpu())


@pytest.mark.slow
def test_a_run_keeps_its_precision(tmp_path: Path) -> None:
    from lamina.cli import _app as app
    from lamina.runs.data import Request

    table, run = tmp_path / "t.csv", tmp_path / "run"
    table.write_text("a,b\n" + "".join(f"{i / 10},{'xy'[i % 2]}\n" for i in range(40)))
    arguments = ["train", str(table), "--target", "b", "--preset", "fast", "--epochs", "1", "--out", str(run)]
    with compiling_for(replace(host_machine(), has_matrix_unit=False, has_fast_pairs=False)):
        found = CliRunner().invoke(app.app, [*arguments, "--precision", "bfloat16"])
    assert found.exit_code == 0, found.output
    assert "(Intel's AMX, AMD since Zen 4), but cpu(0) has none" in found.output
    asked = json.loads((run / "settings.json").read_text())
    assert asked["precision"] == "bfloat16"
    early = Request(("t.csv",)).to_dict()
    del early["precision"]
    assert Request.from_dict(early).precision == "float32"
    found = CliRunner().invoke(app.app, [*arguments, "--precision", "tf23"])
    assert "must be one of float32, tf32, bfloat16. Did you mean 'tf32'?" in str(found.exception)


def test_digits_train_there(by_numpy: None) -> None:
    from lamina.recipes import Digits, Settings, Training

    random = np.random.default_rng(0)
    pixels, labels = random.integers(0, 255, (64, 28, 28)).astype(np.uint8), random.integers(0, 10, 64)
    digits = Digits.from_arrays(pixels, labels)
    losses = []
    for device in ("cpu", "gpu"):
        training = Training(
            Settings(hidden=(6,), epochs=2, batch_size=16, recipe="default"), digits, digits, device=device
        )
        losses.append([epoch.loss for epoch in training.run()])
        assert training.context is (mx.gpu() if device == "gpu" else mx.cpu())
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
