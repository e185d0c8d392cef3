"""Reads the conda recipe as rattler-build does, and compares what it needs with `pyproject.toml`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from rattler_build import Stage0Recipe, VariantConfig

RECIPE = Path("packaging/conda/recipe.yaml")


def main() -> None:
    """Exit 1 if the recipe can't be rendered, has other dependencies, or names a licence that is not there."""
    recipe = Stage0Recipe.from_file(str(RECIPE))
    [_] = recipe.render(VariantConfig())
    content: Any = recipe.to_dict()
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {
        line.replace(" ", "") for line in content["requirements"]["run"] if not line.startswith("python ")
    }
    if found != set(project["dependencies"]):
        sys.exit(f"{RECIPE} and pyproject.toml differ in {found ^ set(project['dependencies'])}")
    if missing := [file for file in content["about"]["license_file"] if not Path(file).is_file()]:
        sys.exit(f"{RECIPE} names files that are not there: {', '.join(missing)}")
    print(f"{RECIPE} renders, with the dependencies of pyproject.toml")


if __name__ == "__main__":
    main()
