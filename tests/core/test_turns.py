"""Changes that are made as a whole, or not at all once somebody else has taken the turn."""

from operator import setitem
from types import SimpleNamespace

from lamina.core.interrupts import Turn, make


def test_the_latest_changes_are_made_once() -> None:
    turn, owner, items = Turn(), SimpleNamespace(a=0), [0, 0]
    first = turn.take([(setattr, owner, "a", 1)])
    second = turn.take([(setattr, owner, "a", 2), (setitem, items, 1, 3)])
    assert make(first) == []
    assert (owner.a, items) == (0, [0, 0])
    assert len(make(second)) == 2
    assert make(second) == []
    assert (owner.a, items) == (2, [0, 3])


def test_changes_that_are_added_after_the_turn_was_taken_are_made_unless_it_was_lost() -> None:
    turn, owner = Turn(), SimpleNamespace(a=0)
    own = turn.take(changes := [])
    changes.append((setattr, owner, "a", 1))
    assert make(own)
    own = turn.take(changes := [])
    turn.take([])
    changes.append((setattr, owner, "a", 2))
    assert not make(own)
    assert owner.a == 1


def test_nothing_is_made_once_it_is_closed() -> None:
    turn, owner = Turn(), SimpleNamespace(a=0)
    before = turn.take([(setattr, owner, "a", 1)])
    turn.close()
    after = turn.take([(setattr, owner, "a", 2)])
    assert not make(before)
    assert not make(after)
    assert owner.a == 0
