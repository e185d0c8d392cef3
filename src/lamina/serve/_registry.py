"""The served models and their versions, reloaded when their files change.

Each version is a separate object. A request is read and computed by the version that was served when it arrived, so
that a new version does not change an answer halfway. An old version is freed after its last request.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamina.errors import LaminaError
from lamina.serve._errors import Limits, RequestError
from lamina.serve._model import Model, load_model
from lamina.support.messages import closest
from lamina.training.run_folder import model_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Place:
    """The path of a model, or of one of its versions, with its name in addresses.

    Attributes:
        name: the model's name in addresses.
        version: the version's name in addresses; "": the first digits of the file's SHA-256.
        path: a run's folder, a model file, or a folder of runs named 1, 2, …, one for each version.
    """

    name: str
    version: str
    path: Path

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name

    def versions(self) -> list[Place]:
        """A `Place` for each run in a folder of versions, in ascending order; [self] for a single run."""
        if self.version or not self.path.is_dir() or model_file(self.path).exists():
            return [self]
        numbered = [path for path in self.path.iterdir() if _NUMBER.fullmatch(path.name)]
        runs = [
            path for path in sorted(numbered, key=lambda path: int(path.name)) if model_file(path).exists()
        ]
        return [Place(self.name, path.name, path) for path in runs] or [self]

    def stamp(self) -> tuple[int, int, int, int] | None:
        """An identifier of the model file, which changes when the file is replaced; None if there is no file."""
        try:
            found = model_file(self.path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def places(runs: Sequence[str]) -> list[Place]:
    """Parse command-line arguments for models: NAME=RUN, NAME@VERSION=RUN, or a path.

    For a path without a name, the model's name is the path's last component.

    Raises:
        LaminaError: a name can't be part of an address, or is given twice.

    >>> [str(place) for place in places(["runs/income-1", "prices=runs/houses-3", "prices@4=runs/houses-4"])]
    ['income-1', 'prices', 'prices@4']
    """
    found: dict[str, Place] = {}
    for run in runs:
        called, sign, path = run.partition("=")
        if not sign or Path(run).exists():
            path, last = run, Path(run).resolve()
            called = last.name.removesuffix(".safetensors")
            if last.name == "model.safetensors":
                called = last.parent.name
        name, at, version = called.partition("@")
        if not _NAME.fullmatch(name) or (at and not _NAME.fullmatch(version)):
            raise LaminaError(f"{called!r} can't be part of an address; name the model, as in income={path}")
        if called in found:
            raise LaminaError(
                f"two models would be called {called!r}; name one of them, as in {called}-2={path}"
            )
        found[called] = Place(name, version, Path(path))
    return list(found.values())


class Registry:
    """The served models, by name and version; `changes` loads new versions.

    The default version of a model is its run without a version, or else its last version.

    Args:
        runs: see `places`.
        limits: the limits on requests.

    Raises:
        LaminaError: a run does not exist, or its model is damaged.
    """

    def __init__(self, runs: Sequence[str], limits: Limits) -> None:
        self.limits = limits
        self._given = sorted(places(runs), key=lambda place: place.version == "")
        self._stamps: dict[Place, tuple[int, int, int, int] | None] = {}
        self._loaded: dict[Place, Model] = {}
        self._models: Mapping[str, Mapping[str, Model]] = {}
        for _, found in self.changes():
            if isinstance(found, Exception):
                raise found

    def changes(self) -> Generator[tuple[Place, Model | Exception | None]]:
        """Load new versions; yield each changed place with its new model, an error, or None if removed.

        A file that can't be loaded is tried only once, and the previous model is still served. A model's last version
        is still served if its file is gone.
        """
        present = [version for place in self._given for version in place.versions()]
        firsts = {str(place): place for place in reversed(present)}
        for place in present:
            stamp = place.stamp()
            if place in self._stamps and stamp in (None, self._stamps[place]):
                continue
            self._stamps[place] = stamp
            try:
                if (first := firsts[str(place)]) != place:  # a run in a folder of versions, beside NAME@2=RUN
                    raise LaminaError(f"{place} is both {first.path} and {place.path}; renumber one")
                model = load_model(place.path, self.limits, place.name, place.version)
            except (LaminaError, OSError, ValueError, MemoryError) as error:
                yield place, error
                continue
            before = self._loaded.get(place)
            if before is None or before.digest != model.digest:
                self._offer({**self._loaded, place: model}, present)
                yield place, model
        names = {place.name for place in present if place in self._loaded}
        gone = [place for place in self._loaded if place.name in names and place not in present]
        self._offer({place: model for place, model in self._loaded.items() if place not in gone}, present)
        for place in gone:
            del self._stamps[place]
            yield place, None

    def _offer(self, loaded: Mapping[Place, Model], present: Sequence[Place]) -> None:
        """Replace the served models by `loaded`, with each model's default version last.

        The mappings are replaced rather than changed, since another thread may be reading the old mappings.
        """
        absent = [place for place in loaded if place not in present]
        self._loaded = {place: loaded[place] for place in [*absent, *present] if place in loaded}
        models: dict[str, dict[str, Model]] = {}
        for model in self._loaded.values():
            models.setdefault(model.name, {})[model.version] = model
        self._models = models

    def versions(self, name: str) -> Mapping[str, Model]:
        """The versions of a model, with the default version last.

        Raises:
            RequestError: there is no such model (404).
        """
        if name not in self._models:
            raise RequestError(404, f"there is no model {name[:100]!r}.{closest(name[:100], self._models)}")
        return self._models[name]

    def model(self, name: str, version: str | None) -> Model:
        """The given version of a model; its default version if `version` is None.

        Raises:
            RequestError: there is no such model, or no such version (404).
        """
        versions = self.versions(name)
        version = [*versions][-1] if version is None else version
        if version not in versions:
            served = ", ".join(versions)
            raise RequestError(404, f"there is no version {version[:100]!r} of {name!r}, only {served}")
        return versions[version]

    def defaults(self) -> list[Model]:
        """The default version of each model."""
        return [self.model(name, None) for name in self._models]

    def by_address(self) -> dict[str, Model]:
        """The models by address below ``/v1/models/``.

        A model with several versions also has an address for each version.
        """
        found: dict[str, Model] = {}
        for default in self.defaults():
            found[default.name] = default
            versions = self.versions(default.name)
            if len(versions) > 1:
                found |= {f"{default.name}/versions/{version}": model for version, model in versions.items()}
        return found
