from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

class Task(Generic[T]): ...

class Parallel:
    n_jobs: int
    _backend: object
    def __init__(
        self,
        n_jobs: int | None = None,
        *,
        return_as: Literal["list", "generator", "generator_unordered"] = "list",
        **options: Any,
    ) -> None: ...
    def __call__(self, iterable: Iterable[Task[T]]) -> Iterable[T]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...

def delayed(function: Callable[P, T]) -> Callable[P, Task[T]]: ...
def effective_n_jobs(n_jobs: int | None = -1) -> int: ...
