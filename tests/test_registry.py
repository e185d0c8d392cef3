"""Names in any case, instances as they are, and errors that help."""

import re

import pytest

from lamina import gluon, optimizer
from lamina.gluon import nn
from lamina.registry import Registry


class Animal:
    def __init__(self, legs: int = 4) -> None:
        self.legs = legs


def test_registry() -> None:
    animals = Registry[Animal]("animal", Animal)

    @animals.register()
    class Horse(Animal):
        pass

    @animals.register("bird", "Fowl")
    class Bird(Animal):
        pass

    assert animals.names() == ["bird", "fowl", "horse"]
    assert type(animals.create("HORSE")) is Horse
    assert animals.create("fowl", legs=2).legs == 2
    bird = Bird(2)
    assert animals.create(bird) is bird
    with pytest.raises(
        ValueError, match=r"unknown animal 'hose'\. Did you mean 'horse'\? Known: bird, fowl, horse"
    ):
        animals.create("hose")
    with pytest.raises(ValueError, match="not with an instance"):
        animals.create(bird, 3)
    with pytest.raises(TypeError, match="animal: expected a name or an instance, not 7"):
        animals.create(7)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": 0.1}, "has no argument 'lr'. Here it is called 'learning_rate'. Known: "),
        ({"momentun": 0.9}, "has no argument 'momentun'. Did you mean 'momentum'?"),
        ({"weight_decay": 1e-4}, "called 'wd'"),
    ],
)
def test_an_unknown_argument_is_told_with_the_known_ones(settings, said):
    with pytest.raises(TypeError, match=re.escape(said)):
        optimizer.create("sgd", **settings)
    net = nn.Dense(1, in_units=1)
    net.initialize()
    with pytest.raises(TypeError, match=re.escape(said)):
        gluon.Trainer(net.collect_params(), "sgd", settings)
