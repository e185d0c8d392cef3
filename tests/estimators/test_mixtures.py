"""Ensembles whose members have different architectures and shares of their own."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from tables import SHARES, classifier, mixture, new_table, regressor, targets_of, training_table

import lamina
from lamina import nd
from lamina.errors import DataError
from lamina.estimators._initialize import build_network
from lamina.estimators._losses import squared_error
from lamina.estimators.data import Data
from lamina.estimators.fitted import own_outputs
from lamina.estimators.network import Ensemble, mean_by_shares
from lamina.estimators.settings import Settings
from lamina.estimators.training import EnsembleTraining
from lamina.files.tensors import load_tensors, save_tensors

FRAME, NEW = training_table(), new_table()
CLASSES, VALUES = targets_of(FRAME)
pytestmark = pytest.mark.filterwarnings(
    "ignore:left out 1 column with the same value", "ignore:.*values? that training did not have"
)


def outputs(model, frame=FRAME):
    return model.fitted_.outputs(model.fitted_.encode(frame))


def with_members(model, members, shares=()):
    """The model with other networks."""
    other = pickle.loads(pickle.dumps(model))
    other.fitted_ = dataclasses.replace(model.fitted_, network=Ensemble(members, shares))
    return other


@pytest.mark.slow
@pytest.mark.parametrize("train", [classifier, regressor])
def test_outputs_are_the_mean_of_the_members_by_their_shares(train):
    mixed = mixture(train)
    of_each = [outputs(with_members(mixed, [member])) for member in mixed.fitted_.network.members]
    assert not np.allclose(np.mean(of_each, axis=0), outputs(mixed))
    wanted = sum(share * z for share, z in zip(SHARES, of_each, strict=True))
    np.testing.assert_allclose(outputs(mixed), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_equal_shares_have_the_bits_of_the_plain_mean():
    model = classifier(members=3)
    network = model.fitted_.network
    assert network.shares == (1 / 3,) * 3
    encoded = model.fitted_.encode(FRAME)
    x, codes = nd.array(encoded.numeric), nd.array(encoded.codes, dtype=np.int32)
    zs = [member.forward(x, codes) for member in network.members]
    plain = (zs[0] + zs[1] + zs[2]) * (1 / 3)
    np.testing.assert_array_equal(network(x, codes).asnumpy(), plain.asnumpy())
    said = with_members(model, network.members, (1 / 3,) * 3)
    np.testing.assert_array_equal(outputs(said), outputs(model))


def test_shares_of_one_array_are_its_whole():
    x = nd.array([1.0, 3.0])
    assert mean_by_shares([x], (1.0,)) is x
    assert mean_by_shares([x, x * 3], (0.25, 0.75)).asnumpy().tolist() == [2.5, 7.5]


@pytest.mark.parametrize(
    ("shares", "what"),
    [
        ((0.5, 0.5), "it has 4 members, 2 shares"),
        ((0.5, 0.5, 0.5, -0.5), "must be above 0, with the sum 1"),
        ((0.5, 0.5, 0.5, 0.5), "must be above 0, with the sum 1"),
        ((float("nan"),) * 4, "must be above 0, with the sum 1"),
    ],
)
def test_shares_that_are_none_are_refused(shares, what):
    with pytest.raises(ValueError, match=what):
        mixture(classifier, shares)


def test_members_that_take_something_else_are_refused():
    members = [*classifier().fitted_.network.members, *regressor().fitted_.network.members]
    with pytest.raises(ValueError, match="must have the same inputs and the same number of outputs"):
        Ensemble(members)


@pytest.mark.few(1)
@pytest.mark.parametrize("train", [classifier, regressor])
def test_a_mixture_is_saved_pickled_and_copied_to_the_same_bits(train, tmp_path):
    mixed = mixture(train)
    lamina.save(mixed, tmp_path / "m.safetensors")
    for again in (lamina.load(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(mixed))):
        assert again.fitted_.network.shares == SHARES
        own = [member.architecture for member in again.fitted_.network.members]
        assert own == [member.architecture for member in mixed.fitted_.network.members]
        np.testing.assert_array_equal(again.predict(NEW), mixed.predict(NEW))


@pytest.mark.slow
def test_all_outputs_are_scaled_whatever_the_depth():
    mixed = pickle.loads(pickle.dumps(mixture(classifier)))
    before = outputs(mixed)
    mixed.fitted_.network.scale_outputs(0.5)
    np.testing.assert_array_equal(outputs(mixed), before / 2)


@pytest.mark.slow
def test_each_member_gives_outputs_for_its_own_rows():
    mixed = mixture(regressor)
    encoded = mixed.fitted_.encode(FRAME)
    rows = [np.arange(i, 300, 4, dtype=np.int32) for i in range(4)]
    whole = Data(encoded.numeric, encoded.codes, VALUES[:, None].astype(np.float32))
    found = own_outputs(mixed.fitted_.network, [dataclasses.replace(whole, rows=part) for part in rows])
    for i, (member, part) in enumerate(zip(mixed.fitted_.network.members, rows, strict=True)):
        alone = outputs(with_members(mixed, [member]))[part]
        np.testing.assert_allclose(found[75 * i : 75 * (i + 1)], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.few(1)
@pytest.mark.parametrize("shards", [None, 2])
def test_members_of_different_architectures_train_side_by_side_and_apart(shards):
    from lamina.estimators._sharded import training_of

    data = Data(
        np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32), None, np.ones((64, 1), np.float32)
    )

    def trained(n_jobs):
        parts = [build_network(one, data, np.random.default_rng(0)) for one in architectures]
        network, plan = Ensemble(parts, (0.75, 0.25)), Settings(max_iter=2, batch_size=16, shards=shards)
        training = training_of(
            network, squared_error, plan, np.random.default_rng(0), [data] * 2, n_jobs=n_jobs
        )
        assert isinstance(training, EnsembleTraining)
        losses = [epoch.loss for epoch in training.run()]
        return losses, {name: x.tobytes() for name, x in network.state().items()}

    wide = dataclasses.replace(
        regressor(linear_path=False).fitted_.network.architecture,
        numbers=2,
        inputs=2,
        cardinalities=(),
        pieces=0,
    )
    architectures = [wide, dataclasses.replace(wide, hidden=(5,), normalization="batch", dropout=0.2)]
    together = trained(1)
    with parallel_config("threading"):
        assert trained(2) == together


@pytest.mark.filterwarnings("ignore:the report has no pictures")
def test_importance_and_the_report_know_of_all_members():
    from lamina.runs.report import report_on

    mixed = mixture(classifier)
    assert np.isfinite([one.mean for one in mixed._importances(NEW, targets_of(NEW)[0], 0, 1)[0]]).all()
    page = report_on(mixed, NEW, targets_of(NEW)[0])
    first, *_, last = (
        " – ".join(map(str, member.architecture.widths)) for member in mixed.fitted_.network.members
    )
    assert f"The mean of 4 networks of {first} and of" in page and f"and of {last} units" in page


# --- hostile files -----------------------------------------------------------------------------------------------


def _set(i, key, value):
    def change(members):
        members[i][key] = value

    return change


HOSTILE = {
    "a share of nothing": _set(0, "share", 0.0),
    "shares that are more than all": _set(0, "share", 1.0),
    "a share that is not a number": _set(0, "share", "0.4"),
    "a member that takes other inputs": lambda members: members[1]["architecture"].update(inputs=99),
    "a member that gives other outputs": lambda members: members[1]["architecture"].update(outputs=1),
    "a field that nothing reads": _set(2, "evil", 1),
    "members that have no arrays": lambda members: members.extend([members[0]] * 100_000),
    "a member less than there are arrays": lambda members: members.pop(),
    "members in another order": lambda members: members.reverse(),
    "no members": lambda members: members.clear(),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("how", HOSTILE)
def test_files_whose_members_do_not_fit_are_refused(how, tmp_path):
    lamina.save(mixture(classifier), tmp_path / "m")
    arrays, metadata = load_tensors(tmp_path / "m")
    content = json.loads(metadata["estimator"])
    HOSTILE[how](content["members"])
    save_tensors(tmp_path / "hostile", arrays, {**metadata, "estimator": json.dumps(content)})
    with pytest.raises(DataError, match="hostile is damaged"):
        lamina.load(tmp_path / "hostile")


@pytest.mark.parametrize("members", [0, 3, 50_000, 10**12])
def test_files_of_one_architecture_have_arrays_for_their_number_of_members(members, tmp_path):
    arrays, metadata = load_tensors(Path(__file__).parent / "files" / "classifier_format_3.safetensors")
    content = json.loads(metadata["estimator"]) | {"members": members}
    save_tensors(tmp_path / "hostile", arrays, {**metadata, "estimator": json.dumps(content)})
    with pytest.raises(DataError, match="hostile is damaged"):
        lamina.load(tmp_path / "hostile")
