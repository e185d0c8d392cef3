"""Splits of a table's rows into training, validation and test rows: at random, by groups, or by time.

A `Splitter` divides rows; `splitter_for` chooses the splitter, depending on whether rows have classes, groups or
times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import Column
from lamina.table.marks import as_gap, as_mark, group_codes, times_of
from lamina.table.messages import counted, is_on_command_line

FEWEST_FOR_VALIDATION = 10
"""Minimum number of rows for holding some out; with fewer, ensemble members hold out none."""

Pair = tuple[np.ndarray, np.ndarray]
"""A pair of training rows and validation rows."""


class Split(NamedTuple):
    """The row numbers of each part: disjoint, ascending int64 arrays.

    Together they contain every row, except for rows that a `TimeSplitter` leaves out.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Splitter(ABC):
    """A method of splitting the rows of a table.

    Attributes:
        said: a short description of the method.
    """

    said: str

    def split(self, *, validation: float = 0.2, test: float = 0.0, seed: int = 0) -> Split:
        """Split the whole table into three parts.

        Args:
            validation: the validation share of all rows, 0 … 1.
            test: the test share of all rows, 0 … 1.
            seed: the seed of the random choices.

        Raises:
            DataError: no training rows would be left, or a part would be empty.
        """
        require_shares(validation, test)
        return self._split(validation, test, seed)

    def members(
        self, rows: np.ndarray, share: float | None, rng: np.random.Generator, members: int
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """The training and validation rows of each member of an ensemble.

        The validation rows are None if `share` is None, if there are fewer than `FEWEST_FOR_VALIDATION` rows, or if
        no row may be held out, since each is the only row of its class.

        Args:
            rows: the row numbers to divide, ascending.
            share: the approximate validation share. If there are several members, each holds out different rows.
            rng: the random number generator.
            members: the number of members.

        Raises:
            DataError: there are too few groups or times to hold out rows.
        """
        if share is None or len(rows) < FEWEST_FOR_VALIDATION:
            return [(rows, None)] * members
        splits = self._folds(rows, share, rng, members) if members > 1 else [self._hold_out(rows, share, rng)]
        can_validate = all(len(validation) for _, validation in splits)  # false if classes have one row each
        return list(splits) if can_validate else [(rows, None)] * members

    def most_members(self, rows: np.ndarray) -> int | None:
        """The maximum number of ensemble members that can hold out different rows; None: any number."""
        return None

    @abstractmethod
    def _split(self, validation: float, test: float, seed: int) -> Split: ...

    @abstractmethod
    def _hold_out(self, rows: np.ndarray, share: float, rng: np.random.Generator) -> Pair: ...

    @abstractmethod
    def _folds(
        self, rows: np.ndarray, share: float, rng: np.random.Generator, members: int
    ) -> list[Pair]: ...


def splitter_for(
    rows: int,
    strata: np.ndarray | None = None,
    groups: Column | None = None,
    time: Column | None = None,
    gap: float = 0.0,
) -> Splitter:
    """The splitter for a table, depending on whether rows have groups or times.

    Args:
        rows: the number of rows.
        strata: the class of each row (1-D, sortable), for stratification; None: no stratification.
        groups: the group of each row, which is never split across parts; None: no groups.
        time: the time of each row, a number or a date; validation and test rows have later times; None: no times.
        gap: the minimum time between parts, in the unit of `time` (days for dates).

    Raises:
        DataError: the number of values differs from `rows`, values are missing, or times can't be sorted.
    """
    for what, column in (("groups", groups), ("time", time)):
        if column is not None and len(column) != rows:
            raise DataError(
                f"{as_mark(what, column.name)} has {counted(len(column), 'value')}, but the table has "
                f"{counted(rows, 'row')}: give a value for each row"
            )
    if time is not None:
        return TimeSplitter(time, gap, groups)
    return RandomSplitter(rows, strata) if groups is None else GroupSplitter(groups, strata)


def require_shares(validation: float, test: float) -> None:
    """Raise `DataError` if the shares leave no training rows."""
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise DataError(
            f"validation ({validation}) and test ({test}) are shares of the rows; they and their sum must be "
            "at least 0 and less than 1"
        )


def too_few_to_divide(mark: str, name: str, parts: int) -> DataError:
    """The error for a streamed table that can't be divided by groups or times.

    Groups or times are too few, or a group or time has too many rows.
    """
    what = "groups" if mark == "groups" else "different times"
    return DataError(
        f"{as_mark(mark, name)}: there are too few {what} for {parts} parts, or a part would have more rows than fit "
        f"in memory; {_remedy(mark)}"
    )


def nothing_before(name: str, gap: float) -> DataError:
    """The error for a split by time in which `gap` leaves no rows for a part."""
    return DataError(
        f"{as_mark('time', name)}: a part would have no rows, since none is earlier than the next part by more than "
        f"{as_gap(gap)}; make the gap smaller"
    )


def _too_few(mark: str, name: str, count: int, needs: str, members: int, beside: str = "") -> DataError:
    """The error for too few groups or times; there are `count`, and `needs` says how many must be."""
    noun, what = ("group", "whole groups") if mark == "groups" else ("different time", "later times")
    there = f"there {'is' if count == 1 else 'are'} {counted(count, noun)}{beside}"
    said = f"{there}, and {needs}, to hold out {what}; {_remedy(mark, members)}"
    return DataError(f"{as_mark(mark, name)}: {said}")


def _remedy(mark: str, members: int = 0) -> str:
    """Advice for a user with too few groups or times, for an error message.

    `members`: the number of ensemble members for which there are enough; 0: unknown.
    """
    if is_on_command_line():
        option = {"groups": "--group", "time": "--time"}[mark]
        return f"name files with --validation and --test, set both to 0 to hold out no rows, or leave {option} out"
    fewer = f"set members={members}, " if members > 1 else ""
    return f"{fewer}give fit an eval_set, set early_stopping=False, or leave {mark} out"


# --- at random


class RandomSplitter(Splitter):
    """A random split, in which each part gets the same share of every class of `strata`.

    The shares are equal to within one row. `split` puts at least one row of every class in training, so a class's only
    row is a training row.

    >>> parts = RandomSplitter(10).split(validation=0.2, test=0.1, seed=1)
    >>> [len(part) for part in parts]
    [7, 2, 1]
    """

    def __init__(self, rows: int, strata: Any = None) -> None:
        self._rows, self._classes = rows, strata
        self.said = "at random" if strata is None else "at random, classes keeping their shares"

    def _split(self, validation: float, test: float, seed: int) -> Split:
        rows = self._rows
        classes = np.zeros(rows, np.int64) if self._classes is None else _codes(self._classes, rows)
        order = np.random.default_rng(seed).permutation(rows)
        order = order[np.argsort(classes[order], kind="stable")]  # by class, shuffled within each class
        ordered = classes[order]
        first = np.diff(ordered, prepend=ordered[0] - 1) != 0 if rows else np.zeros(0, bool)
        free = order[~first]  # the first row of each class is kept for training

        parts = np.zeros(rows, np.int8)
        taken = _every(len(free), round(test * rows))
        parts[free[taken]] = 2
        rest = free[~taken]
        parts[rest[_every(len(rest), round(validation * rows))]] = 1
        return _parts(parts)

    def _hold_out(self, rows: np.ndarray, share: float, rng: np.random.Generator) -> Pair:
        """The training rows and the held-out rows.

        If rows have classes, the same share of each class is held out, but no row of a class with a single row.
        """
        classes = self._classes
        if classes is None:
            shuffled = rng.permutation(rows)
            count = min(max(round(len(rows) * share), 1), len(rows) - 1)
            return np.sort(shuffled[count:]), np.sort(shuffled[:count])
        members = [rng.permutation(rows[classes[rows] == value]) for value in np.unique(classes[rows])]
        validation = np.sort(np.concatenate([one[: round(len(one) * share)] for one in members]))
        return rows[~np.isin(rows, validation)], validation

    def _folds(self, rows: np.ndarray, share: float, rng: np.random.Generator, members: int) -> list[Pair]:
        """The training and validation rows of each fold.

        Each fold holds out about `share` of the rows, or 1 / `members` if this is less. With classes, each fold holds
        out the same share of each class, but no row of a class with a single row.
        """
        count, classes = max(members, round(1 / share)), self._classes
        order = rng.permutation(rows)
        fold = np.arange(len(rows)) % count
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
            _, where, sizes = np.unique(classes[order], return_inverse=True, return_counts=True)
            fold[sizes[where] == 1] = -1
        return [(np.sort(order[fold != i]), np.sort(order[fold == i])) for i in range(members)]


def _codes(strata: Any, rows: int) -> np.ndarray:
    values = np.asarray(strata)
    if values.shape != (rows,):
        raise DataError(f"stratify needs one class for each of the {rows} rows, not shape {values.shape}")
    return np.unique(values, return_inverse=True)[1]


def _every(length: int, count: int) -> np.ndarray:
    """A mask (length,) with `count` evenly spaced elements that are True; all, if there are fewer."""
    steps = (np.arange(1, length + 1) * min(count, length)) // max(length, 1)
    return np.diff(steps, prepend=0) > 0


def _parts(part: np.ndarray) -> Split:
    return Split(*(np.flatnonzero(part == one) for one in range(3)))


# --- by groups


class GroupSplitter(Splitter):
    """A split by groups: all rows of a group are in the same part.

    Groups are assigned from the largest to the smallest. A group goes to the part where it adds least to the χ²
    statistic of the parts' sizes or, with `strata`, of the parts' class counts. The only group of a class is always in
    training.

    >>> from lamina.table.columns import as_column
    >>> parts = GroupSplitter(as_column(["a", "a", "b", "b", "b", "c", "c", "d"])).split(validation=0.25)
    >>> [len(part) for part in parts]
    [6, 2, 0]
    """

    def __init__(self, groups: Column, strata: np.ndarray | None = None) -> None:
        self._codes, self._name = group_codes(groups), groups.name
        self._classes = None if strata is None else np.unique(strata, return_inverse=True)[1]
        self.said = "by groups"

    def most_members(self, rows: np.ndarray) -> int:
        return self._tables(rows).free

    def _split(self, validation: float, test: float, seed: int) -> Split:
        shares = [1 - validation - test, validation, test]
        used = [i for i in range(3) if i == 0 or shares[i]]
        part = np.zeros(len(self._codes), np.int64)
        if len(used) > 1:
            rows = np.arange(len(part))
            found = self._divided(rows, [shares[i] for i in used], np.random.default_rng(seed))
            part = np.array(used)[found]
        return _parts(part)

    def _hold_out(self, rows: np.ndarray, share: float, rng: np.random.Generator) -> Pair:
        part = self._divided(rows, [1 - share, share], rng)
        return rows[part == 0], rows[part == 1]

    def _folds(self, rows: np.ndarray, share: float, rng: np.random.Generator, members: int) -> list[Pair]:
        tables = self._tables(rows)
        if tables.free < members:
            raise self._too_few(tables, members, f"members={members}", members=max(tables.free, 1))
        count = min(max(members, round(1 / share)), tables.free)
        of_group = np.full(len(tables.stays), -1)
        of_group[~tables.stays] = tables.shared_out([1 / count] * count, rng)
        fold = of_group[tables.of_rows]
        return [(rows[fold != i], rows[fold == i]) for i in range(members)]

    def _divided(self, rows: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
        """The index of each row's part.

        Part 0 is for training. If a class occurs in a single group, this group is in part 0.
        """
        tables = self._tables(rows)
        needed = len(shares) - bool(tables.stays.any())
        if tables.free < needed:
            raise self._too_few(tables, needed, f"{len(shares)} parts")
        part = np.zeros(len(tables.stays), np.int64)
        part[~tables.stays] = tables.shared_out(shares, rng)
        return part[tables.of_rows]

    def _too_few(self, tables: _GroupTables, needed: int, for_what: str, members: int = 0) -> DataError:
        kept, needs = int(tables.stays.sum()), f"{for_what} need at least {needed}"
        alone = f" besides {counted(kept, 'group')} with the only rows of a class" if kept else ""
        return _too_few("groups", self._name, tables.free, needs, members, alone)

    def _tables(self, rows: np.ndarray) -> _GroupTables:
        return _GroupTables(self._codes[rows], None if self._classes is None else self._classes[rows])


class _GroupTables:
    """The number of rows of each class in each group.

    Attributes:
        of_rows: the group number of each row.
        stays: whether each group is the only group of some class.
        free: the number of groups that may be held out.
    """

    def __init__(self, groups: np.ndarray, classes: np.ndarray | None) -> None:
        names, self.of_rows = np.unique(groups, return_inverse=True)
        classes = np.zeros(len(groups), np.int64) if classes is None else classes
        self._classes = int(classes.max(initial=0)) + 1
        pairs, sizes = np.unique(self.of_rows * self._classes + classes, return_counts=True)
        group, class_ = np.divmod(pairs, self._classes)
        spread = np.bincount(class_, minlength=self._classes)  # the number of groups with each class
        alone = (spread == 1)[class_] & (len(names) > 1 and self._classes > 1)
        self.stays = np.zeros(len(names), bool)
        self.stays[group[alone]] = True
        self.free = int((~self.stays).sum())
        self._group, self._class, self._sizes = group, class_, sizes
        self._totals = np.bincount(class_, sizes, self._classes)

    def shared_out(self, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
        """Assign each group that may be held out to a part; return the index of the part for each such group.

        `shares` are the shares of the parts. Groups that may not be held out, each the only group of a class, are in
        part 0.
        """
        wanted = np.outer(shares, self._totals)
        present = np.zeros_like(wanted)
        staying = self.stays[self._group]
        np.add.at(present[0], self._class[staying], self._sizes[staying])
        filled, wanted_rows = present.sum(axis=1), wanted.sum(axis=1)
        begins = np.searchsorted(self._group, np.arange(len(self.stays) + 1))
        free = np.flatnonzero(~self.stays)
        weight = np.bincount(self._group, self._sizes**2 / self._totals[self._class])[free]
        shuffled = rng.permutation(len(free))
        order = shuffled[np.argsort(-weight[shuffled], kind="stable")]
        parts = np.zeros(len(free), np.int64)
        empty = {i for i in range(len(shares)) if not present[i].any()}
        for done, i in enumerate(order.tolist()):
            own = slice(begins[free[i]], begins[free[i] + 1])
            classes, sizes = self._class[own], self._sizes[own]
            cost = (sizes * (sizes + 2 * present[:, classes]) / wanted[:, classes]).sum(axis=1)
            size = sizes.sum()
            cost += size * (size + 2 * filled) / wanted_rows
            if len(free) - done <= len(empty):  # the remaining groups are needed for empty parts
                cost[[part for part in range(len(shares)) if part not in empty]] = np.inf
            part = int(cost.argmin())
            present[part, classes] += sizes
            filled[part] += size
            empty.discard(part)
            parts[i] = part
        return parts


# --- in time


class TimeSplitter(Splitter):
    """A split by time into training rows, later validation rows, and the last rows for test.

    Rows with equal times stay together. Several members of an ensemble hold out consecutive windows of the last rows.
    Each member trains on the rows before its window (forward chaining), as in scikit-learn's `TimeSeriesSplit`. Rows
    within the gap before a later part are left out; with groups, so are rows whose group is in a later part.

    >>> from lamina.table.columns import as_column
    >>> parts = TimeSplitter(as_column(list(range(2001, 2011))), gap=1).split(validation=0.2, test=0.2)
    >>> [part.tolist() for part in parts]
    [[0, 1, 2, 3, 4], [6], [8, 9]]
    """

    def __init__(self, time: Column, gap: float = 0.0, groups: Column | None = None) -> None:
        self._times, self._name, self._gap = times_of(time), time.name, gap
        self._groups = None if groups is None else group_codes(groups)
        self._group_name = "" if groups is None else groups.name
        apart = f", {gap:g} after those that train" if gap else ""
        others = "" if groups is None else ", and by groups"
        self.said = f"in time (the last rows are held back{apart}){others}"

    def most_members(self, rows: np.ndarray) -> int:
        return max(len(np.unique(self._times[rows])) - 1, 0)

    def _split(self, validation: float, test: float, seed: int) -> Split:
        rows = np.arange(len(self._times))
        held = {name: share for name, share in (("validation", validation), ("test", test)) if share}
        starts = [1 - sum([*held.values()][i:]) for i in range(len(held))]
        train, *windows = self._windows(rows, starts, f"{len(held) + 1} parts")
        parts = dict(zip(held, windows, strict=True))
        tests = parts.get("test", rows[:0])
        validates = self._before(parts.get("validation", rows[:0]), tests)
        train = self._before(train, np.concatenate([validates, tests]))
        if (len(rows) and not len(train)) or (validation and not len(validates)):
            raise self._nothing_left()
        return Split(train, validates, tests)

    def _hold_out(self, rows: np.ndarray, share: float, rng: np.random.Generator) -> Pair:
        return self._folds(rows, share, rng, 1)[0]

    def _folds(self, rows: np.ndarray, share: float, rng: np.random.Generator, members: int) -> list[Pair]:
        starts = [1 - share + share * i / members for i in range(members)]
        windows = self._windows(rows, starts, f"members={members}" if members > 1 else "2 parts")
        earlier = [np.sort(np.concatenate(windows[:i])) for i in range(1, len(windows))]
        pairs = [(self._before(rows, later), later) for rows, later in zip(earlier, windows[1:], strict=True)]
        if not all(len(train) for train, _ in pairs):
            raise self._nothing_left()
        return pairs

    def _windows(self, rows: np.ndarray, starts: Sequence[float], for_what: str) -> list[np.ndarray]:
        """The rows before the first window, then the rows of each window, in order of time.

        Window i begins after about the fraction `starts[i]` of the rows. Error messages name the purpose, `for_what`.
        """
        times = self._times[rows]
        different, before = np.unique(np.sort(times), return_index=True)
        if len(different) <= len(starts):
            needs = f"{for_what} need at least {len(starts) + 1}"
            fewer = max(len(different) - 1, 1) if len(starts) > 1 and for_what.startswith("members") else 0
            raise _too_few("time", self._name, len(different), needs, fewer)
        cuts: list[int] = []
        for i, start in enumerate(starts):
            nearest = int(np.abs(before - start * len(rows)).argmin())
            least, most = (cuts[-1] if cuts else 0) + 1, len(different) - len(starts) + i
            cuts.append(min(max(nearest, least), most))
        window = np.searchsorted(different[np.array(cuts, np.intp)], times, side="right")
        return [rows[window == i] for i in range(len(starts) + 1)]

    def _before(self, rows: np.ndarray, later: np.ndarray) -> np.ndarray:
        """The rows that are earlier than all `later` rows by more than the gap.

        Rows whose group is among the later rows are left out.
        """
        keeps = self._times[rows] < self._times[later].min(initial=np.inf) - self._gap
        if self._groups is not None:
            keeps &= ~np.isin(self._groups[rows], self._groups[later])
        return rows[keeps]

    def _nothing_left(self) -> DataError:
        if self._groups is None:
            return nothing_before(self._name, self._gap)
        marks = f"{as_mark('time', self._name)} and {as_mark('groups', self._group_name)}"
        return DataError(
            f"{marks}: no training rows are left before the held-out rows and in other groups; leave one option out"
            + (", or make the gap smaller" if self._gap else "")
        )
