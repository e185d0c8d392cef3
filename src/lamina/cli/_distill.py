"""``lamina distill``: train a network on the predictions of another program's model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from lamina.cli._console import note, warnings_as_lines
from lamina.cli._options import Reading, TargetOption, argument, choosing, grouped, one_of, option
from lamina.errors import LaminaError
from lamina.estimators import option_values
from lamina.estimators.presets import PRESETS
from lamina.support.extras import require
from lamina.table.formats import begin_reading


@dataclass(frozen=True)
class Student:
    """Options for the student and its training."""

    preset: Annotated[
        str | None,
        choosing("The student's settings: {}.", PRESETS, shown="medium, or with --time-limit a search"),
    ] = None
    made: Annotated[int | None, option("Synthetic rows per row of the table.", "numbers: 4, classes: 0")] = (
        None
    )
    time_limit: Annotated[
        str | None, option("Search for a student within this time, e.g. 5m, for the whole command.", "none")
    ] = None
    seed: Annotated[int, option("The seed of all randomness.")] = 0

    def said(self) -> dict[str, Any]:
        """The options as arguments of `lamina.distill`; raises `LaminaError` for an invalid value."""
        limit = self.time_limit
        found = {
            "preset": one_of("--preset", self.preset, PRESETS),
            "time_limit": None if limit is None else option_values.seconds("--time-limit", limit),
            "random_state": option_values.seed("--seed", self.seed),
            "made": self.made,
        }
        if self.preset is not None and limit is not None:
            raise LaminaError("--time-limit searches the settings of all presets: leave --preset out")
        return found


@grouped
def distill(
    data: Annotated[list[str], argument("Rows: files, globs, or -.")],
    files: Reading,
    teacher: Annotated[
        Path | None, option("The teacher: an ONNX file, a run's folder, or a file of lamina.save.", False)
    ] = None,
    teacher_predictions: Annotated[
        list[str] | None,
        option(
            "Or columns of the teacher's predictions: COLUMN of numbers, or CLASS=COLUMN of probabilities, repeatable.",
            False,
        ),
    ] = None,
    target: TargetOption = None,
    drop: Annotated[list[str] | None, option("A column to leave out; repeatable.", False)] = None,
    out: Annotated[Path, option("The student's file.", named="--out -o")] = Path("student.safetensors"),
    student: Student = Student(),
) -> None:
    """Train a network on the predictions of a teacher: a model of any library.

    The teacher is an ONNX file, e.g. from a boosting library or skl2onnx, or a lamina model; or its
    predictions are columns of the table. Pickles are not read, since they can run code. In Python, lamina.distill takes
    any fitted model. The student is written as a lamina model file, which the other commands accept.

    Examples:

    \b
      lamina distill people.csv --teacher boosting.onnx --target income
      lamina distill people.csv --teacher-predictions yes=p_yes --teacher-predictions no=p_no --target income
      lamina export student.safetensors --html income.html
    """
    if (teacher is None) == (not teacher_predictions):
        raise LaminaError("give one of --teacher FILE and --teacher-predictions COLUMN")
    chosen = student.said()
    if teacher is None and student.made:
        raise LaminaError("--made needs --teacher FILE; with --teacher-predictions, leave out --made")
    if not out.absolute().parent.is_dir() or out.is_dir():
        raise LaminaError(
            f"cannot write {out}: it is a folder, or its folder does not exist; name another file"
        )
    require("distilling", "scikit-learn", "polars")
    begin_reading(data)
    from lamina.table.read import ReadOptions, read

    frame = read(data, ReadOptions(**files.said()))
    frame = frame.drop([*_known(frame, drop or []), *([target] if target in frame.columns else [])])
    with warnings_as_lines():
        _teach(frame, teacher, teacher_predictions or [], target, chosen, out)
    note(f"wrote {out} ({-(-out.stat().st_size // 1024):,} KiB)")


def _teach(
    frame: Any, teacher: Path | None, told: list[str], target: str | None, chosen: dict[str, Any], out: Path
) -> None:
    """Train a student on a table by the teacher's file, or by the columns `told`, and write it to `out`."""
    import lamina

    if teacher is None:
        model, frame = _told(frame, told)
    else:
        model, frame, named = _opened(teacher, frame)
        target = target or named
    lamina.save(lamina.distill(model, frame, target=target, **chosen), out)


def _known(frame: Any, names: list[str]) -> list[str]:
    """Check that the table has all of these columns, and return their names.

    Raises:
        LaminaError: a column is missing.
    """
    from lamina.table.messages import closest

    for name in names:
        if name not in frame.columns:
            raise LaminaError(f"the table has no column {name!r}.{closest(name, frame.columns)}")
    return names


def _told(frame: Any, columns: list[str]) -> tuple[Any, Any]:
    """Split a table into the teacher's predictions, from `columns`, and the other columns.

    Each of `columns` is COLUMN, for numbers, or CLASS=COLUMN, for probabilities.
    """
    pairs = [text.rpartition("=") for text in columns]
    names = _known(frame, [name for _, _, name in pairs])
    classes = [name for name, _, _ in pairs]
    if len(names) > 1 and not all(classes):
        raise LaminaError("--teacher-predictions takes COLUMN of numbers, or CLASS=COLUMN for each class")
    twice = [one for given in (classes, names) for one in given if given.count(one) > 1]
    if twice:
        raise LaminaError(
            f"--teacher-predictions has {twice[0]!r} twice; give each class once, with a column of its own"
        )
    others = frame.drop(names)
    if not classes[0]:
        return frame[names[0]].to_numpy(), others
    return frame.select(names).rename(dict(zip(names, classes, strict=True))), others


class _OfRun:
    """An adapter from a saved model to a teacher, for tables without the columns that the model ignores."""

    def __init__(self, model: Any) -> None:
        self._model, self.classes_ = model, getattr(model.estimator, "classes_", None)

    def predict(self, X: Any) -> Any:
        return self._model.estimator.predict(self._model.inputs(X))

    def predict_proba(self, X: Any) -> Any:
        return self._model.estimator.predict_proba(self._model.inputs(X))


def _opened(path: Path, frame: Any) -> tuple[Any, Any, str | None]:
    """Load the teacher from a file; return the teacher, its columns of `frame`, and its target's name.

    The name is None if unknown.
    """
    if path.suffix != ".onnx":
        from lamina.runs.run_folder import open_model

        model = open_model(path)[0]
        used = [column.name for column in model.schema.used]
        named = getattr(model.fitted.encoder.schema.target, "name", None)
        return _OfRun(model), frame.select(_known(frame, used)), named
    from lamina.interchange.distillation import OnnxModel

    model = OnnxModel(path, frame)
    named = all(name in frame.columns for name in model.inputs)
    return model, frame.select(model.inputs) if named else frame, None
