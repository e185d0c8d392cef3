"""How Python finds attributes, and what objects hold: a compiled function notices whatever changes outside.

Each case makes a function of an array, and a list of changes to what it finds outside. After each change the compiled
function and the function itself must give the same.
"""

# ruff: noqa: PLW0108, RUF015 - the cases are written as users write such things
from __future__ import annotations

import argparse
import array
import collections
import dataclasses
import enum
import functools
import os
import random
import sys
import time
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import lamina
from lamina import nd

Case = tuple[Callable[[Any], Any], list[Callable[[], Any]]]
CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__] = make
    return make


@pytest.fixture(autouse=True)
def imports_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))


def outcome(function: Any, x: Any) -> Any:
    try:
        result = function(x)
    except Exception as error:
        return type(error)
    return result.asnumpy().tolist() if isinstance(result, nd.NDArray) else result


def attribute(owner: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(owner, name, value)


# --- how attributes are found ----------------------------------------------------------------------------------------


@case
def an_instance_attribute_shadows_the_class() -> Case:
    class Net:
        training = True

        def __call__(self, x: Any) -> Any:
            return x * 0 if self.training else x

    n = Net()
    return lambda x: n(x), [attribute(n, "training", False), lambda: delattr(n, "training")]


@case
def a_class_attribute_changes_and_moves_up() -> Case:
    class Base:
        rate = 2.0

    class Net(Base):
        pass

    n = Net()
    return lambda x: x * n.rate, [
        attribute(Base, "rate", 3.0),
        attribute(Net, "rate", 4.0),
        lambda: delattr(Net, "rate"),
        attribute(n, "rate", 5.0),
    ]


@case
def hasattr_of_what_is_missing() -> Case:
    class Net:
        pass

    n = Net()
    return lambda x: x * 2 if hasattr(n, "zz") else x, [
        attribute(n, "zz", 1),
        lambda: delattr(n, "zz"),
        attribute(Net, "zz", 1),
    ]


@case
def getattr_with_a_default_and_a_made_up_name() -> Case:
    n, key = SimpleNamespace(), {"name": "ra" + "te"}
    return lambda x: x * getattr(n, key["name"], 2.0), [
        attribute(n, "rate", 3.0),
        lambda: key.update(name="other"),
        attribute(n, "other", 5.0),
    ]


@case
def a_missing_attribute_that_is_caught() -> Case:
    class Net:
        __slots__ = ("rate",)

    n = Net()

    def f(x: Any) -> Any:
        try:
            return x * n.rate
        except AttributeError:
            return x

    return f, [attribute(n, "rate", 3.0), lambda: delattr(n, "rate")]


@case
def getattr_method() -> Case:
    class Net:
        def __init__(self) -> None:
            self.table = {"rate": 2.0}

        def __getattr__(self, name: str) -> Any:
            return self.table[name]

    n = Net()
    return lambda x: x * n.rate, [
        lambda: n.table.update(rate=3.0),
        attribute(n, "rate", 4.0),
        lambda: delattr(n, "rate"),
        attribute(Net, "__getattr__", lambda self, name: 7.0),
    ]


@case
def a_getattr_method_that_comes_later() -> Case:
    class Net:
        pass

    n = Net()

    def f(x: Any) -> Any:
        try:
            return x * n.rate
        except AttributeError:
            return x

    return f, [attribute(Net, "__getattr__", lambda self, name: 7.0), lambda: delattr(Net, "__getattr__")]


@case
def getattribute_method() -> Case:
    class Net:
        factor = 2.0

        def __getattribute__(self, name: str) -> Any:
            return (
                object.__getattribute__(self, "factor") * 3
                if name == "rate"
                else object.__getattribute__(self, name)
            )

    n = Net()
    return lambda x: x * n.rate, [attribute(n, "factor", 5.0)]


@case
def a_property_and_a_descriptor() -> Case:
    class Stored:
        def __init__(self) -> None:
            self.stored = 2.0

        def __get__(self, instance: Any, owner: Any) -> Any:
            return self.stored

    class Net:
        rate = Stored()
        hidden = 3.0

        @property
        def scale(self) -> float:
            return self.hidden

    n = Net()
    return lambda x: x * n.rate * n.scale, [
        attribute(vars(Net)["rate"], "stored", 5.0),
        attribute(n, "hidden", 7.0),
        attribute(n, "rate", 2.0),
        attribute(Net, "scale", property(lambda self: 1.0)),
    ]


@case
def a_cached_property() -> Case:
    class Net:
        base = 2.0

        @functools.cached_property
        def rate(self) -> float:
            return self.base * 2

    n = Net()
    return lambda x: x * n.rate, [
        attribute(n, "base", 5.0),
        lambda: vars(n).pop("rate", None),
        attribute(n, "rate", 1.0),
    ]


@case
def the_class_of_an_object_is_assigned() -> Case:
    class One:
        def __call__(self, x: Any) -> Any:
            return x

    class Two:
        def __call__(self, x: Any) -> Any:
            return x * 2

    n = One()
    return lambda x: n(x), [attribute(n, "__class__", Two)]


@case
def the_bases_of_a_class_are_assigned() -> Case:
    class One:
        rate = 1.0

    class Two:
        rate = 2.0

    class Net(One):
        pass

    n = Net()
    return lambda x: x * n.rate, [attribute(Net, "__bases__", (Two,))]


@case
def an_attribute_of_a_metaclass() -> Case:
    class Meta(type):
        rate = 2.0

    class Net(metaclass=Meta):
        pass

    return lambda x: x * Net.rate, [attribute(Meta, "rate", 3.0), attribute(Net, "rate", 4.0)]


@case
def a_module_with_getattr() -> Case:
    module = types.ModuleType("users_module_with_getattr")
    table = {"rate": 2.0}
    module.__getattr__ = lambda name: table[name]  # type: ignore[method-assign]
    return lambda x: x * module.rate, [
        lambda: table.update(rate=3.0),
        attribute(module, "__getattr__", lambda name: 5.0),
        attribute(module, "rate", 7.0),
    ]


@case
def a_module_imported_inside() -> Case:
    module = types.ModuleType("users_module_inside")
    module.rate = 2.0  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    def f(x: Any) -> Any:
        from users_module_inside import rate  # type: ignore[import-not-found]

        return x * rate

    return f, [attribute(module, "rate", 3.0)]


@case
def a_module_imported_inside_for_the_first_time() -> Case:
    class Finder:
        def find_spec(self, name: str, *_: Any) -> Any:
            return ModuleSpec(name, self) if name == "users_module_to_come" else None  # type: ignore[arg-type]

        def create_module(self, spec: Any) -> Any:
            module = types.ModuleType(spec.name)
            module.rate = 2.0  # type: ignore[attr-defined]
            return module

        def exec_module(self, module: Any) -> None:
            pass

    sys.modules.pop("users_module_to_come", None)
    sys.meta_path.append(Finder())

    def f(x: Any) -> Any:
        import users_module_to_come  # type: ignore[import-not-found]

        return x * users_module_to_come.rate

    return f, [lambda: setattr(sys.modules["users_module_to_come"], "rate", 3.0)]


@case
def methods_by_syntax_that_come_later() -> Case:
    class Net:
        def __len__(self) -> int:
            return 2

    n = Net()
    return lambda x: x * 2 if n else x, [
        attribute(Net, "__bool__", lambda self: False),
        lambda: delattr(Net, "__bool__"),
    ]


@case
def the_code_and_defaults_of_a_function() -> Case:
    def helper(x: Any, factor: float = 2.0, *, shift: float = 1.0) -> Any:
        return x * factor + shift

    def assign(name: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(helper, name, value)

    return lambda x: helper(x), [
        assign("__defaults__", (3.0,)),
        assign("__kwdefaults__", {"shift": 5.0}),
        lambda: helper.__kwdefaults__.update(shift=6.0),
        assign("__code__", (lambda x, factor=1.0, *, shift=1.0: x - factor).__code__),
    ]


@case
def attributes_of_a_function() -> Case:
    def helper(x: Any) -> Any:
        return x * getattr(helper, "rate", 1.0) * (2 if hasattr(helper, "twice") else 1)

    return lambda x: helper(x), [attribute(helper, "rate", 2.0), attribute(helper, "twice", 1)]


@case
def a_variable_hides_a_builtin() -> Case:
    module = types.ModuleType("users_module_with_a_function")
    exec("def f(x):\n    return x * max(2, 3)", vars(module))
    return module.f, [attribute(module, "max", min), lambda: delattr(module, "max")]


@case
def a_name_that_is_bound_to_another_built_in_function() -> Case:
    import math

    n = SimpleNamespace(act=math.sin, kind=np.float32)
    return lambda x: x * n.act(1.0) * n.kind(1.7), [
        attribute(n, "act", math.cos),
        attribute(n, "kind", np.float16),
    ]


@case
def a_variable_of_the_enclosing_function_that_is_deleted() -> Case:
    rate = 2.0

    def f(x: Any) -> Any:
        try:
            return x * rate
        except NameError:
            return x

    def delete() -> None:
        nonlocal rate
        del rate

    def assign() -> None:
        nonlocal rate
        rate = 4.0

    return f, [delete, assign]


@case
def partials_and_bound_methods() -> Case:
    table = {"rate": 2.0}
    get = table.get
    scale = functools.partial(lambda x, factor, box: x * factor * box[0], factor=2.0, box=[3.0])
    return lambda x: scale(x) * get("rate"), [
        lambda: table.update(rate=3.0),
        lambda: scale.keywords["box"].append(1.0),
        lambda: scale.keywords["box"].__setitem__(0, 5.0),
    ]


@case
def a_cached_function() -> Case:
    box = [2.0]

    @functools.lru_cache
    def rate() -> float:
        return box[0]

    def replace() -> None:
        box[0] = 3.0
        rate.cache_clear()

    return lambda x: x * rate(), [replace]


# --- what objects hold -----------------------------------------------------------------------------------------------


def of_numpy(read: Callable[[Any], Any], dtype: Any = np.float64) -> Callable[[], Case]:
    def make() -> Case:
        a = np.array([1, 2, 3], dtype)
        return lambda x: x * read(a), [
            lambda: a.__setitem__(slice(None), 9),
            lambda: a.__setitem__(0, 4),
            lambda: a.sort(),
        ]

    return make


CASES |= {
    f"numpy: {name}": of_numpy(read)
    for name, read in {
        "an element": lambda a: a[0],
        "float": lambda a: float(a[0]),
        "item": lambda a: a.item(0),
        "sum": lambda a: a.sum(),
        "comparison": lambda a: 2.0 if a[0] > 2 else 3.0,
        "iteration": lambda a: sum(a),
        "tolist": lambda a: a.tolist()[1],
        "asarray": lambda a: np.asarray(a)[2],
        "memoryview": lambda a: memoryview(a)[0],
        "argmax": lambda a: [1.0, 2.0, 3.0][int(a.argmax())],
        "all": lambda a: 2.0 if (a > 1).all() else 5.0,
        "contains": lambda a: 2.0 if 9 in a else 5.0,
        "as a whole": lambda a: a,
        "array": lambda a: nd.array(a),
        "a view": lambda a: a[::-1][0],
    }.items()
}


@case
def numpy_in_place_of_another_shape_and_type() -> Case:
    a = np.array([1.0, 2.0, 3.0, 4.0], np.float32)

    def reshape() -> None:
        a.resize((2, 2), refcheck=False)

    def reinterpret() -> None:
        with warnings.catch_warnings():  # deprecated since NumPy 2.5
            warnings.simplefilter("ignore", DeprecationWarning)
            a.dtype = np.int32

    return lambda x: x * a.shape[0] * float(a.ravel()[0]), [reshape, reinterpret]


@case
def a_set() -> Case:
    s: set[Any] = {1.0}
    return lambda x: x * (2 if 2.0 in s else 3) * len(s), [
        lambda: s.add(2.0),
        lambda: s.discard(1.0),
        s.clear,
    ]


@case
def a_frozenset_of_objects() -> Case:
    class Part:
        rate = 2.0

    part = Part()
    s = frozenset({part})
    return lambda x: x * sum(p.rate for p in s), [attribute(part, "rate", 3.0)]


@case
def buffers() -> Case:
    a, b, d = array.array("d", [1.0]), bytearray(b"\2"), collections.deque([1.0, 2.0])
    m = memoryview(bytearray(b"\3"))
    return lambda x: x * a[0] * b[0] * d[0] * m[0], [
        lambda: a.__setitem__(0, 5.0),
        lambda: b.__setitem__(0, 7),
        lambda: d.rotate(1),
        lambda: m.__setitem__(0, 11),
        lambda: a.append(1.0),
    ]


@case
def a_proxy_and_the_order_of_dictionaries() -> Case:
    d = {"a": 1.0, "b": 2.0}
    proxy = types.MappingProxyType(d)

    def f(x: Any) -> Any:
        return x * proxy["b"] * list(d.values())[0]

    def reorder() -> None:
        d["a"] = d.pop("a")

    return f, [lambda: d.update(a=3.0), reorder, lambda: d.update(c=4.0)]


@case
def dictionaries_that_are_more() -> Case:
    d: Any = collections.defaultdict(lambda: 2.0)
    o = collections.OrderedDict(a=1.0, b=3.0)
    c, m = collections.Counter("aab"), collections.ChainMap({"k": 1.0}, {"l": 2.0})
    return lambda x: x * d.get("a", 5.0) * next(iter(o.values())) * c["a"] * m["l"], [
        lambda: d.update(a=7.0),
        lambda: o.move_to_end("a"),
        lambda: c.update("a"),
        lambda: m.maps[1].update(l=3.0),
    ]


@case
def a_default_factory() -> Case:
    d: Any = collections.defaultdict(lambda: 2.0)

    def f(x: Any) -> Any:
        y = x * d["new"]
        d.clear()
        return y

    return f, [attribute(d, "default_factory", lambda: 3.0)]


@case
def a_class_with_container_methods() -> Case:
    class Table:
        def __init__(self) -> None:
            self._rows = [1.0, 2.0]

        def __len__(self) -> int:
            return len(self._rows)

        def __contains__(self, value: Any) -> bool:
            return value in self._rows

        def __getitem__(self, i: int) -> float:
            return self._rows[i]

        def __iter__(self) -> Iterator[float]:
            return iter(self._rows)

    t = Table()
    return lambda x: x * len(t) * (2 if 5.0 in t else 3) * t[0] * sum(t), [
        lambda: t._rows.append(5.0),
        lambda: t._rows.__setitem__(0, 4.0),
        attribute(t, "_rows", [1.0]),
    ]


@case
def classes_derived_from_containers() -> Case:
    class Table(collections.UserDict):  # type: ignore[type-arg]
        pass

    class Numbers(list):  # type: ignore[type-arg]
        scale = 2.0

    class Tags(set):  # type: ignore[type-arg]
        scale = 2.0

    t, numbers, tags = Table(a=1.0), Numbers([1.0]), Tags({1})
    return lambda x: x * t["a"] * numbers[0] * numbers.scale * len(tags) * tags.scale, [
        lambda: t.update(a=2.0),
        lambda: numbers.__setitem__(0, 3.0),
        attribute(numbers, "scale", 4.0),
        lambda: tags.add(2),
        attribute(tags, "scale", 3.0),
    ]


@case
def dataclasses_enums_and_tuples() -> Case:
    @dataclasses.dataclass
    class Settings:
        rate: float = 2.0
        parts: list[float] = dataclasses.field(default_factory=lambda: [1.0])

    class Mode(enum.Enum):
        FAST = 1
        SLOW = 2

    class Pair(NamedTuple):
        first: Any
        second: Any

    @dataclasses.dataclass(slots=True)
    class Slotted:
        rate: float = 2.0

    s, n, pair, slotted = Settings(), SimpleNamespace(mode=Mode.FAST), Pair([2.0], 1.0), Slotted()

    def f(x: Any) -> Any:
        return (
            x
            * s.rate
            * s.parts[0]
            * (2 if n.mode is Mode.FAST else n.mode.value)
            * pair.first[0]
            * slotted.rate
        )

    return f, [
        attribute(s, "rate", 3.0),
        lambda: s.parts.__setitem__(0, 4.0),
        attribute(n, "mode", Mode.SLOW),
        lambda: pair.first.__setitem__(0, 5.0),
        attribute(slotted, "rate", 6.0),
    ]


@case
def objects_of_libraries() -> Case:
    arguments = argparse.Namespace(rate=2.0)
    nested = argparse.Namespace(inner=SimpleNamespace(rate=2.0))
    return lambda x: x * arguments.rate * nested.inner.rate * (2 if "late" in arguments else 1), [
        attribute(arguments, "rate", 3.0),
        attribute(nested.inner, "rate", 5.0),
        attribute(arguments, "late", 1.0),
    ]


@case
def data_of_a_librarys_module() -> Case:
    def change() -> None:
        os.environ["USERS_RATE"] = "5"

    return lambda x: x * float(os.environ.get("USERS_RATE", "2")), [
        change,
        lambda: os.environ.pop("USERS_RATE", None),
    ]


@case
def a_weak_reference() -> Case:
    class Part:
        rate = 2.0

    parts = [Part()]
    reference = weakref.ref(parts[0])
    return lambda x: x * (reference().rate if reference() is not None else 7.0), [  # type: ignore[union-attr]
        attribute(parts[0], "rate", 3.0),
    ]


# --- what can't be watched -------------------------------------------------------------------------------------------


def opaque(
    make: Callable[[], Any], read: Callable[[Any], Any], change: Callable[[Any], Any] | None = None
) -> Callable[[], Case]:
    def made() -> Case:
        state = make()
        return lambda x: x * read(state), [lambda: change(state) if change else None] * 2

    return made


def counting() -> Iterator[int]:
    n = 0
    while True:
        n += 1
        yield n


OPAQUE = {
    "a generator": opaque(counting, next),
    "an iterator": opaque(lambda: iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), next),
    "map": opaque(lambda: map(float, range(1, 9)), next),
    "a generator of random numbers": opaque(lambda: random.Random(3), lambda r: r.random()),
    "NumPy's generator": opaque(lambda: np.random.default_rng(3), lambda r: r.random()),
    "a method of such a generator": opaque(lambda: np.random.RandomState(3).rand, lambda r: r()),
    "an array of objects": opaque(
        lambda: np.array([SimpleNamespace(rate=2.0), None], object),
        lambda a: a[0].rate,
        lambda a: setattr(a[0], "rate", 3.0),
    ),
    "a masked array": opaque(
        lambda: np.ma.MaskedArray([1.0, 2.0], mask=[False, True]),
        lambda a: a.sum(),
        lambda a: a.mask.__setitem__(1, False),
    ),
    "a view of a dictionary": opaque({"a": 1.0}.values, sum),
    "a context variable": opaque(
        lambda: __import__("contextvars").ContextVar("c", default=1.0),
        lambda v: v.get(),
        lambda v: v.set(v.get() + 1),
    ),
    "random numbers of a module": lambda: ((lambda x: x * seeded().random()), [lambda: None] * 2),
    "NumPy's random numbers": lambda: (
        (lambda x: x * (np.random.seed(1) or np.random.rand())),
        [lambda: None],
    ),
    "the time": lambda: ((lambda x: x * 0 + (time.time() > 0)), [lambda: None]),
    "eval": lambda: (
        (lambda x: x * eval("RATE")),
        [lambda: globals().update(RATE=3.0), lambda: globals().update(RATE=2.0)],
    ),
    "globals": lambda: (
        (lambda x: x * globals()["RATE"]),
        [lambda: globals().update(RATE=3.0), lambda: globals().update(RATE=2.0)],
    ),
}
RATE = 2.0


def seeded() -> Any:
    random.seed(1)
    return random


def follow(make: Callable[[], Case]) -> Any:
    """Runs both through all changes; each has a world of its own, so that reading may change it, too."""
    function, changes = make()
    twin, twin_changes = make()
    compiled, x = lamina.compile(function), nd.array([1.0, 2.0, 3.0])
    for _ in range(2):
        assert outcome(compiled, x) == outcome(twin, x)
    for i, (change, twin_change) in enumerate(zip(changes, twin_changes, strict=True)):
        twin_change()
        wanted = outcome(twin, x)
        change()
        assert outcome(compiled, x) == wanted, f"change {i}"
        assert outcome(compiled, x) == outcome(twin, x), f"change {i}, second call"
    return compiled


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_whatever_changes_is_noticed(make: Callable[[], Case]) -> None:
    assert follow(make)._entries  # it is compiled, too


@pytest.mark.parametrize("make", OPAQUE.values(), ids=OPAQUE)
def test_what_cannot_be_watched_runs_eagerly_and_says_so_once(make: Callable[[], Case]) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        compiled = follow(make)
    assert len([w for w in told if "runs eagerly" in str(w.message)]) == 1
    assert not compiled._entries


def test_numbers_in_a_buffer_that_only_meet_arrays_compile_nothing_anew() -> None:
    buffer = np.array([1.0, 2.0], np.float32)
    compiled = lamina.compile(lambda x: x * buffer + nd.array(buffer))
    for i in range(20):
        buffer[:] = i
        np.testing.assert_array_equal(compiled(nd.ones((2,))).asnumpy(), [2 * i] * 2)
    assert compiled._compilations == 1


def test_attributes_of_a_users_kind_of_array() -> None:
    class Weight(nd.NDArray):
        rate = 2.0

    w = Weight(np.ones(2, np.float32), lamina.cpu())
    compiled = lamina.compile(lambda x: x * w * w.rate)
    assert compiled(nd.ones((2,))).asnumpy()[0] == 2
    w.rate = 3.0
    assert compiled(nd.ones((2,))).asnumpy()[0] == 3
