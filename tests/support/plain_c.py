"""A third target: the processor's loops as plain C, compiled by the system's compiler.

Kernels are written by a small set of typed operations (`lamina.compiler.llvm`): loops, loads, stores, arithmetic, folds
of lanes. Here each becomes a statement of C. A value of n lanes is an array of n elements, an operation a loop over it.
Vectors have 16 bytes; products and their sums are rounded once, by C's `fma`.
"""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._step import emit_program, outline_of
from lamina.compiler.cpu.machine import NAMED_MACHINES, compiling_for
from lamina.compiler.cpu.target import CPU
from lamina.compiler.target import Lowered

MACHINE = replace(NAMED_MACHINES["x86-64-v2"], architecture="C", cpu="", features="")
_OPTIONS = "-xc - -std=gnu11 -O0 -ffp-contract=off -fwrapv -w -shared -fPIC -Wl,-Bsymbolic -lm"
"""`-Bsymbolic`: the step's own function `wait` is not the C library's, which waits for child processes."""
_HEADERS = "-include math.h -include stdint.h -include string.h"


class PlainC(CPU):
    """See `lamina.compiler.target.Target`."""

    @property
    def description(self) -> str:
        return "plain C"

    def compiling(self, captured: Any) -> Any:
        return compiling_for(MACHINE)

    def load(self, lowered: Lowered) -> Any:
        with self.compiling(lowered.captured):
            outline, module = outline_of(lowered.plan, lowered.rows), ThreadModule()
            module.has_runtime = False
            emit_program(module, lowered.plan, outline)
            text = c_of(module.ir())
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder, "step.so")
            command = ["cc", "-o", str(library), *_HEADERS.split(), *_OPTIONS.split()]
            subprocess.run(command, input=text, text=True, check=True)
            loaded = ctypes.CDLL(str(library))
        step = ctypes.cast(loaded.step, ctypes.c_void_p).value
        return SimpleNamespace(outline=outline, step=step, library=loaded, ir=text.strip, assembly=text.strip)


PRELUDE = """
#define EACH(n) for (int l = 0; l < (n); l++)
static inline double f64(uint64_t bits) { double x; memcpy(&x, &bits, 8); return x; }
static void lamina_barrier(uint64_t threads) {}
"""


def c_of(ir: str) -> str:
    """A module as plain C."""
    head, (heads, tables, bodies, given, lines) = "", (list[str]() for _ in range(5))
    for line in ir.splitlines():
        if found := re.match(r"define (?:internal )?void @(\w+)\((.*?)\) nounwind", line):
            parameters = [(c_type(kind), name_of(x)) for kind, x in map(typed, split(found[2]))]
            head = f"void {found[1]}({', '.join(f'{kind} {x}_given' for kind, x in parameters)})"
            given, lines = [f"{kind} {x}[1] = {{{x}_given}};" for kind, x in parameters], []
        elif found := re.match(r"@(\w+) = internal constant (\[\d+ x \w+\]) \[(.*)\]", line):
            values = ", ".join(scalar(typed(one)[1]) for one in split(found[3]))
            tables.append(f"static {c_type(found[2])} {found[1]}[] = {{{values}}};")
        elif line == "}":
            function = Function(lines)
            heads.append(f"{head};")
            bodies += [f"{head} {{", *given, *function.declared, *function.statements, "}"]
        else:
            lines.append(line)
    return "\n".join([PRELUDE, *heads, *tables, *bodies, ""])


TYPE = re.compile(r"(<\d+ x \w+>|\[\d+ x \w+\]|i\d+|float|double|ptr|void) ?")
FLOATS = {"float": "f", "double": ""}  # the suffix of C's functions


def typed(text: str) -> tuple[str, str]:
    """A type, and the text after it."""
    found = TYPE.match(text)
    assert found, text
    return found[1], text[found.end() :]


def parts(type_: str) -> tuple[int, str]:
    """The number of elements of a type, and their type."""
    count, _, kind = type_.strip("<>[]").rpartition(" x ")
    return int(count or 1), kind


def c_type(type_: str, sign: str = "u") -> str:
    """The type of an element. Integers have no sign, unless an instruction gives them one."""
    kind = parts(type_)[1]
    if not kind[1:].isdigit():
        return "char *" if kind == "ptr" else kind
    bits = next(size for size in (8, 16, 32, 64, 128) if int(kind[1:]) <= size)
    return f"{sign}int{bits}_t" if bits < 128 else "unsigned __int128" if sign else "__int128"


def name_of(register: str) -> str:
    return "v" + re.sub(r"\W", "_", register.removeprefix("%"))


def scalar(literal: str) -> str:
    """A constant number, or the address of something global."""
    if literal.startswith("@"):
        return f"(char *){literal[1:]}"
    if literal.startswith("0x"):
        (value,) = struct.unpack("<d", struct.pack("<Q", int(literal, 16)))
        return value.hex() if abs(value) < float("inf") else f"f64({literal}u)"
    named = {"true": "1", "false": "0", "poison": "0", "zeroinitializer": "0", str(-(2**63)): "1ull << 63"}
    return named.get(literal, f"{literal}ll")


def operand(type_: str, text: str) -> str:
    """Lane l of an operand."""
    if text.startswith("%"):
        return f"{name_of(text)}[{'l' if parts(type_)[0] > 1 else 0}]"
    if not text.startswith("<"):
        return f"({c_type(type_)})({scalar(text.rstrip(')').split(' ')[-1])})"  # maybe a splat
    values = ", ".join(scalar(typed(one)[1]) for one in split(text[1:-1]))
    return f"((const {c_type(type_)}[]){{{values}}})[l]"


def split(text: str) -> list[str]:
    """The parts of a list, whose commas within brackets belong to a part."""
    return [part.strip() for part in re.findall(r"(?:[^,<(\[]|<[^>]*>|\([^)]*\)|\[[^\]]*\])+", text)]


INFIX = {
    "add": "+", "sub": "-", "mul": "*", "udiv": "/", "urem": "%", "and": "&", "or": "|", "xor": "^", "shl": "<<",
    "lshr": ">>", "fadd": "+", "fsub": "-", "fmul": "*", "fdiv": "/",
}  # fmt: skip
SIGNED = {"sdiv": "/", "srem": "%", "ashr": ">>"}
PREDICATES = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Function:
    """Translates the lines of a function to declarations and statements."""

    def __init__(self, lines: list[str]) -> None:
        self.declared, self.statements = list[str](), list[str]()
        self.phis: dict[str, list[tuple[str, str, dict[str, str]]]] = {}
        for line in lines:
            if line.endswith(":"):
                self.block = line[:-1]
            elif " = phi " in line:
                register, _, phi = line.partition(" = phi ")
                type_, rest = typed(phi)
                values = {block[1:]: value for value, block in (split(pair[1:-1]) for pair in split(rest))}
                self.phis.setdefault(self.block, []).append((self._declare(register, type_), type_, values))
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        if line.endswith(":"):
            self.block = line[:-1]
            self.statements.append(f"{name_of(self.block)}:;")
        elif " = phi " not in line and line != "ret void":  # which comes last
            register, _, instruction = line.partition(" = ") if line.startswith("%") else ("", "", line)
            operation, _, rest = instruction.partition(" ")
            rest = re.sub(r", align \d+$|^(nsw|nuw|inbounds) ", "", rest)
            write = self._convert if " to " in rest else self._compare if "cmp" in operation else self._value
            getattr(self, f"_{operation}", write)(register, operation, rest)

    def _declare(self, register: str, type_: str) -> str:
        self.declared.append(f"{c_type(type_)} {name_of(register)}[{parts(type_)[0]}];")
        return name_of(register)

    def _set(self, register: str, type_: str, value: str) -> None:
        self.statements.append(f"EACH({parts(type_)[0]}) {self._declare(register, type_)}[l] = {value};")

    def _value(self, register: str, operation: str, rest: str) -> None:
        """An operation on one or two operands of a type."""
        type_, rest = typed(rest)
        (x, *others), signed = [operand(type_, x) for x in split(rest)], f"({c_type(type_, '')})"
        if operation in INFIX:
            value = f"{x} {INFIX[operation]} {others[0]}"
        elif operation in SIGNED:
            value = f"{signed}({x}) {SIGNED[operation]} {signed}({others[0]})"
        else:
            value = {"fneg": f"-({x})", "frem": f"fmod{FLOATS[parts(type_)[1]]}({', '.join([x, *others])})"}[
                operation
            ]
        self._set(register, type_, value)

    def _compare(self, register: str, operation: str, rest: str) -> None:
        predicate, _, rest = rest.partition(" ")
        type_, rest = typed(rest)
        x, y = (operand(type_, value) for value in split(rest))
        if operation == "icmp" and predicate[0] == "s":
            x, y = (f"({c_type(type_, '')})({value})" for value in (x, y))
        value = f"{x} != {x} || {y} != {y}" if predicate == "uno" else f"{x} {PREDICATES[predicate[-2:]]} {y}"
        self._set(register, f"<{parts(type_)[0]} x i1>", value)

    def _select(self, register: str, _: str, rest: str) -> None:
        (kind, mask), (type_, x), (_, y) = map(typed, split(rest))
        self._set(register, type_, f"{operand(kind, mask)} ? {operand(type_, x)} : {operand(type_, y)}")

    def _convert(self, register: str, operation: str, rest: str) -> None:
        source, _, target = rest.rpartition(" to ")
        type_, value = typed(source)
        before = f"({c_type(type_, '')})" if operation in ("sext", "sitofp") else ""
        after = f"({c_type(target, '')})" if operation in ("sext", "fptosi") else ""
        self._set(register, target, f"{after}({before}({operand(type_, value)}))")

    def _bitcast(self, register: str, _: str, rest: str) -> None:
        source, _, target = rest.rpartition(" to ")
        type_, value = typed(source)
        if parts(type_)[1] == "i1":  # a mask's lanes are bits
            bits = f"{self._declare(register, target)}[0]"
            bit = f"({c_type(target)}){operand(type_, value)} << l"
            self.statements.append(f"{bits} = 0; EACH({parts(type_)[0]}) {bits} |= {bit};")
        elif parts(target)[1] == "i1":
            self._set(register, target, f"{operand(type_, value)} >> l & 1")
        else:
            self._copy(self._declare(register, target), type_, value)

    def _copy(self, target: str, type_: str, value: str) -> None:
        count = parts(type_)[0]
        copied = f"{c_type(type_)} x[{count}]; EACH({count}) x[l] = {operand(type_, value)};"
        self.statements.append(f"{{ {copied} memcpy({target}, x, sizeof x); }}")

    def _load(self, register: str, _: str, rest: str) -> None:
        type_, pointer = split(rest)
        name = self._declare(register, type_)
        self.statements.append(f"memcpy({name}, {operand(*typed(pointer))}, sizeof {name});")

    def _store(self, _register: str, _: str, rest: str) -> None:
        value, pointer = split(rest)
        self._copy(operand(*typed(pointer)), *typed(value))

    def _getelementptr(self, register: str, _: str, rest: str) -> None:
        type_, pointer, index = split(rest)
        place = f"(int64_t){operand(*typed(index))} * (int64_t)sizeof({c_type(type_)})"
        self._set(register, "ptr", f"{operand(*typed(pointer))} + {place}")

    def _alloca(self, register: str, _: str, rest: str) -> None:
        self.declared.append(f"_Alignas(64) {c_type(rest)} {name_of(register)}_memory[{parts(rest)[0]}];")
        self._set(register, "ptr", f"(char *){name_of(register)}_memory")

    def _br(self, _register: str, _: str, rest: str) -> None:
        jumps = [self._jump(target) for target in re.findall(r"label %([\w.]+)", rest)]
        condition = operand(*typed(split(rest)[0])) if len(jumps) == 2 else "1"
        self.statements.append(f"if ({condition}) {{ {jumps[0]} }} else {{ {jumps[-1]} }}")

    def _jump(self, target: str) -> str:
        """A jump. The values that the target takes over are all read before the first is set."""
        read, written = "", ""
        for name, type_, values in self.phis.get(target, []):
            value = operand(type_, values[self.block])
            read += f"{c_type(type_)} n_{name}[{parts(type_)[0]}]; EACH({parts(type_)[0]}) n_{name}[l] = {value}; "
            written += f"memcpy({name}, n_{name}, sizeof {name}); "
        return f"{read}{written}goto {name_of(target)};"

    def _insertelement(self, register: str, _: str, rest: str) -> None:
        (type_, vector), value, (_, lane) = map(typed, split(rest))
        self._set(register, type_, f"l == {lane} ? {operand(*value)} : {operand(type_, vector)}")

    def _extractelement(self, register: str, _: str, rest: str) -> None:
        (type_, vector), (_, lane) = map(typed, split(rest))
        self._set(register, parts(type_)[1], operand(type_, vector).replace("[l]", f"[{lane}]"))

    def _shufflevector(self, register: str, _: str, rest: str) -> None:
        (type_, first), second, (mask, picks) = map(typed, split(rest))
        count, name = parts(type_)[0], self._declare(register, f"<{parts(mask)[0]} x {parts(type_)[1]}>")
        both = f"{c_type(type_)} x[{2 * count}]; EACH({count}) x[l] = {operand(type_, first)}; "
        both += f"EACH({count}) x[l + {count}] = {operand(*second)};"
        self.statements.append(f"{{ {both} EACH({parts(mask)[0]}) {name}[l] = x[{operand(mask, picks)}]; }}")

    def _call(self, register: str, _: str, rest: str) -> None:
        type_, rest = typed(rest)
        name, _, arguments = rest[:-1].partition("(")
        given = [typed(argument) for argument in split(arguments)]
        values = [operand(*one) for one in given]
        intrinsic = name[len("@llvm.") :].partition(".")[0] if name.startswith("@llvm.") else ""
        if intrinsic == "ctpop":
            self._set(register, type_, f"__builtin_popcountll({values[0]})")
        elif intrinsic == "vector":  # whether all lanes of a mask are true
            self._set(register, type_, "1")
            self.statements.append(f"EACH({parts(given[0][0])[0]}) {name_of(register)}[0] &= {values[0]};")
        elif intrinsic == "experimental":  # lanes where the mask is true come first
            moved = f"{self._declare(register, type_)}[n++] = {values[0]}"
            self.statements.append(f"{{ int n = 0; EACH({parts(type_)[0]}) if ({values[1]}) {moved}; }}")
        elif intrinsic and intrinsic != "prefetch":  # C's function of the same name
            self._set(register, type_, f"{intrinsic}{FLOATS[parts(type_)[1]]}({', '.join(values)})")
        elif not intrinsic:
            function = name[1:] if name.startswith("@") else f"((void (*)()){operand('ptr', name)})"
            self.statements.append(f"{function}({', '.join(values)});")
