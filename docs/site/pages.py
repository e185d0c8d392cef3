"""Pages of the site that are made of the code: the reference, the gallery of examples, the list of decisions.

`mkdocs` calls these hooks. A public name that is in no page of the reference ends the build.
"""

from __future__ import annotations

import ast
import gc
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

import lamina
from lamina.support.module_names import MXNET

ROOT = Path(__file__).parents[2]
NOT_SHOWN = {
    "lamina.cli",
    "lamina.compiler",
    "lamina.core",
    "lamina.primitives",
    "lamina.runs",
    "lamina.support",
    "lamina.__main__",
}
"""Packages that people use by commands, or that only lamina's own code imports; and what is inside them."""
PLACES = sorted(
    {*MXNET.values()}
    | {"estimators.dask", "estimators.neural_network", "export.mlflow", "runs.recipes", "support.datasets"}
)
"""Modules inside packages that users import by shorter names, as `lamina.io` and `lamina.dask`."""


def public_modules() -> list[ModuleType]:
    """Modules that users import: those of `lamina`, and within these what the ``__all__`` of the module above names."""
    found = [lamina, *(importlib.import_module(f"lamina.{place}") for place in PLACES)]
    for above in found:  # which grows
        for info in pkgutil.iter_modules(getattr(above, "__path__", ()), f"{above.__name__}."):
            name = info.name.rpartition(".")[2]
            offered = above is lamina or name in getattr(above, "__all__", ())
            if name.startswith("_") or info.name in NOT_SHOWN or not offered:
                continue
            module = importlib.import_module(info.name)
            if getattr(module, "__all__", None) and module not in found:  # `ndarray` is another name of `nd`
                found.append(module)
    return found


def reference_page(module: ModuleType, known: dict[int, str]) -> str:
    """A module's names: those that are described elsewhere are links."""
    parts = [f"# {module.__name__}\n", (module.__doc__ or "").split("\n\n")[0], ""]
    for name in sorted(module.__all__, key=str.lower):
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            parts.append(f"### {name}\n\nThe module `{value.__name__}`.\n")
            continue
        if value is None:  # a constant of which the reference knows nothing
            parts.append(f"### {name}\n\n`None`\n")
            continue
        path = f"{module.__name__}.{name}"
        if not str(getattr(value, "__module__", None) or "lamina").startswith("lamina"):
            parts.append(f"### {name}\n\n`{value.__module__}.{getattr(value, '__name__', name)}`\n")
            continue
        if (described := known.setdefault(id(value), path)) != path:
            parts.append(f"### {name}\n\nThe same as [`{described}`][{described}].\n")
            continue
        parts.append(f"::: {path}\n")
    return "\n".join(parts)


def gallery() -> str:
    """The programs in examples/, each with its docstring; first the questions, whose programs draw a picture."""
    shown = {path.stem for path in (ROOT / "docs" / "gallery").glob("*.png")}
    programs = sorted((ROOT / "examples").glob("*.py"), key=lambda path: (path.stem not in shown, path.stem))
    parts = [
        "# Gallery of examples\n\nShort programs that run as they are, in seconds, on data of their own.\n"
    ]
    for path in programs:
        text = path.read_text()
        title, _, rest = (ast.get_docstring(ast.parse(text)) or "").partition("\n")
        commands = r"^((?:python examples/|pip install ).*)$"
        said = re.sub(commands, r"```console\n$ \1\n```", rest.strip(), flags=re.MULTILINE)
        code = f'```python title="examples/{path.name}"\n{text}```\n'
        if path.stem in shown:
            picture = f"![What the program draws](gallery/{path.stem}.png)\n"
            indented = re.sub(r"^(?=.)", "    ", code, flags=re.MULTILINE)
            parts += [f"## {title}\n", said, "", picture, f'??? example "The program"\n\n{indented}']
        else:
            parts += [f"## {title}\n", said, "", code]
    return "\n".join(parts)


def decisions() -> str:
    """The decision records by title."""
    titles = {
        path.name: path.read_text().partition("\n")[0].lstrip("# ")
        for path in (ROOT / "docs/adr").glob("*.md")
    }
    lines = [f"* [{title}](adr/{name})" for name, title in sorted(titles.items(), key=lambda item: item[1])]
    return "# Decisions\n\nWhy things are as they are, one page each.\n\n" + "\n".join(lines) + "\n"


def on_startup(**_others: Any) -> None:
    """Collect no garbage: one process builds once, and nearly all that it makes lives to the end."""
    gc.disable()


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    # A name is described under the shortest path by which it can be imported; a module that has no other gets no page.
    known: dict[int, str] = {}
    modules: list[ModuleType] = []
    for module in sorted(public_modules(), key=lambda module: (module.__name__.count("."), module.__name__)):
        before = len(known)
        for name in module.__all__:
            known.setdefault(id(getattr(module, name)), f"{module.__name__}.{name}")
        if len(known) > before:
            modules.append(module)
    modules.sort(key=lambda module: module.__name__)
    pages = {f"reference/{module.__name__}.md": reference_page(module, known) for module in modules}
    pages |= {"gallery.md": gallery(), "decisions.md": decisions()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    names = [{module.__name__: f"reference/{module.__name__}.md"} for module in modules]
    config["nav"] = [{"Reference": names} if "Reference" in part else part for part in config["nav"]]
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files that are no pages are shown as their paths; one to a folder becomes one to its page.

    In the search, pages that say how something is done come before names and decisions.
    """
    if page.file.src_uri.startswith(("adr/", "reference/", "decisions.md")):
        page.meta["search"] = {"boost": 0.001}  # a match in a title counts a thousand times one in a text
    markdown = markdown.replace("](adr/)", "](decisions.md)")
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?!docs/)([\w./-]+)\)", r"\1 (`\2`)", markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """An example that is a quotation ends the build: what Markdown takes ``>>>`` for."""
    if re.search(r"(<blockquote>\s*){3}", html):
        raise PluginError(f"{page.file.src_uri}: an example is shown as a quotation")
    return html
