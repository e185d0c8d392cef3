"""Exported libraries as C programs see them: called through ctypes, and linked into a program that a compiler makes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from guarded_memory import guarded

from lamina.export import describe
from lamina.export.library import export_library
from lamina.export.library._interface import Interface

__all__ = ["PEOPLE_PROGRAM", "TableLibrary", "compiled", "exported_function", "needs_linker", "run_people"]

needs_linker = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang", "ld", "ld.lld"))),
    reason="NOT TESTED: exported libraries, without a linker (cc, ld or ld.lld)",
)

_FEW = 100


def exported_function(model, path: Path, arguments: int, **options):
    """NAME_predict(rows, count, …) of a model's library; all other arguments are addresses."""
    export_library(model, path, **options)
    function = ctypes.CDLL(str(path))[f"{path.stem}_predict"]
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_void_p] * arguments]
    function.restype = ctypes.c_int32
    return function


class TableLibrary:
    """The library of a model of a table."""

    def __init__(self, model, path: Path) -> None:
        self.interface = Interface(path.stem, describe(model))
        self.has_classes, self.outputs = self.interface.has_classes, self.interface.outputs
        self.function = exported_function(model, path, 2 if self.has_classes else 1)
        self.library = ctypes.CDLL(str(path))
        self.fields = self.interface.fields
        self.columns = [field.column for field in self.fields]

    def names(self, what: str, count: int) -> list[str]:
        """NAME_what, an array of texts."""
        texts = (ctypes.c_char_p * count).in_dll(self.library, f"{self.interface.name}_{what}")
        return [text.decode() for text in texts]

    def rows(self, table) -> np.ndarray:
        """The rows of a frame or a matrix: 8 bytes a column. The texts live as long as this object."""
        chosen = (
            table[:, column.position] if isinstance(table, np.ndarray) else table[column.name].to_list()
            for column in self.columns
        )
        return np.stack([self._field(*pair) for pair in zip(self.fields, chosen, strict=True)], axis=1)

    def _field(self, field, values: Sequence[object]) -> np.ndarray:
        if not field.is_text:
            return np.array([np.nan if x is None else float(x) for x in values])
        # A process may have some ten thousand guarded pages.
        place = guarded if len(values) <= _FEW else np.copy
        texts = {x: place(np.frombuffer(f"{x}\0".encode(), np.uint8)) for x in values if x is not None}
        self.kept = [*getattr(self, "kept", []), texts]
        addresses = [0 if x is None else texts[x].ctypes.data for x in values]
        return np.array(addresses, np.uint64).view(np.float64)

    def call(self, rows: np.ndarray, width: int | None = None) -> tuple[int, np.ndarray, np.ndarray]:
        """What it returns, probabilities (or numbers), and classes; `width`: of several labels."""
        values = guarded(np.full((len(rows), self.outputs), np.nan))
        classes = guarded(np.full(len(rows) if width is None else (len(rows), width), -7, np.int64))
        rows = guarded(rows)
        places = [values.ctypes.data, *([classes.ctypes.data] if self.has_classes else [])]
        return self.function(rows.ctypes.data, len(rows), *places), values, classes

    def predict(self, table, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (or numbers) and classes of a table's rows."""
        code, values, classes = self.call(np.ascontiguousarray(self.rows(table)), width)
        assert code == 0
        return values, classes


PEOPLE_PROGRAM = r"""
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "people.h"

/* Rows in, a line each, columns with tabs between them, nothing where a value is missing; probabilities out, as bytes.
   All is predicted by a thread whose stack has what the header says, and what the system wants of any thread. */

static people_row rows[10000];
static double probabilities[10000 * PEOPLE_CLASSES];
static int64_t classes[10000];
static size_t count;
static int32_t result;

static char *next(char **line) {
    char *field = *line, *end = field + strcspn(field, "\t\n");
    *line = end + (*end != 0);
    *end = 0;
    return *field ? strdup(field) : NULL;
}

static double number(char **line) {
    char *text = next(line);
    return text ? strtod(text, NULL) : strtod("nan", NULL);
}

static void *predict(void *unused) {
    result = people_predict(rows, count, probabilities, classes);
    return unused;
}

int main(void) {
    static char text[1000];
    while (fgets(text, sizeof text, stdin)) {
        char *line = text;
        people_row *row = &rows[count++];
        row->height = number(&line);
        row->income = number(&line);
        row->children = number(&line);
        row->smokes = number(&line);
        row->sex = next(&line);
        row->color = next(&line);
        row->town = next(&line);
    }
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    size_t stack = (PEOPLE_STACK_BYTES + PTHREAD_STACK_MIN + 4095) / 4096 * 4096;
    if (pthread_attr_setstacksize(&attributes, stack) || pthread_create(&thread, &attributes, predict, NULL)) return 2;
    pthread_join(thread, NULL);
    for (size_t i = 0; i < count; i++) {
        const double *row = probabilities + i * PEOPLE_CLASSES;
        for (int k = 0; k < PEOPLE_CLASSES; k++)
            if (row[k] > row[classes[i]]) return 3;
    }
    fwrite(probabilities, sizeof(double) * PEOPLE_CLASSES, count, stdout);
    return result != 0 || strcmp(people_column_names[0], "height") != 0;
}
"""


def compiled(compiler: str, folder: Path, *objects: str, program: str = PEOPLE_PROGRAM) -> Path:
    """A C program that includes a library's header, linked with these files of the folder."""
    (folder / "main.c").write_text(program)
    strict = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, *strict, "-I.", "main.c", *objects, "-o", "main", "-Wl,-rpath,.", "-lm", "-lpthread"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return folder / "main"


def run_people(command: Sequence[str], folder: Path, frame, outputs: int) -> np.ndarray:
    """The probabilities that the program above prints for a frame."""
    columns = ["height", "income", "children", "smokes", "sex", "color", "town"]
    lines = ["\t".join(map(_text, row)) + "\n" for row in frame.select(columns).iter_rows()]
    done = subprocess.run(
        command, cwd=folder, input="".join(lines).encode(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, np.float64).reshape(-1, outputs)


def _text(value: object) -> str:
    if isinstance(value, bool | int | float):
        return repr(float(value))
    return "" if value is None else str(value)
