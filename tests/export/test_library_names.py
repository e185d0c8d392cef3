"""Headers of libraries compile as C and C++, whatever the columns are called."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.export import Column, Numbers, Prediction, Table
from lamina.export.library._code import LibraryCode
from lamina.export.library._interface import Interface
from lamina.export.library._write import prediction_header
from lamina.table.encode import TableEncoder
from lamina.table.schema import Schema
from lamina.table.types import ColumnSchema, Number

C_HEADERS = """
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic
    stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype pthread unistd
""".split()  # noqa: SIM905
NOT_OF_CPLUSPLUS = {"stdatomic", "stdnoreturn", "threads", "tgmath", "complex"}
KEYWORDS = """
    _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary _Noreturn
    _Static_assert _Thread_local __alignof__ __asm__ __attribute__ __auto_type __builtin_va_list __complex__ __const
    __extension__ __func__ __imag__ __inline__ __int128 __label__ __null __real__ __restrict__ __signed__ __thread
    __typeof__ __volatile__ __FILE__ __LINE__ __cplusplus _Pragma alignas alignof and and_eq asm auto bitand bitor bool
    break case catch char char16_t char32_t char8_t class co_await co_return co_yield compl concept const const_cast
    consteval constexpr constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or
    or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename typeof
    typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
""".split()  # noqa: SIM905
COMPILERS = [
    ("gcc", ["-std=c17", "-xc"]),
    ("gcc", ["-std=gnu17", "-xc"]),
    ("clang", ["-std=gnu17", "-xc"]),
    ("g++", ["-std=c++17", "-xc++"]),
    ("g++", ["-std=gnu++20", "-xc++"]),
]
THERE = [(compiler, flags) for compiler, flags in COMPILERS if shutil.which(compiler)]
pytestmark = pytest.mark.skipif(not THERE, reason="NOT TESTED: exported headers, without gcc, g++ or clang")


def column(name, position=0):
    return Column(ColumnSchema(name, Number(), mean=0.5), position, clips=False)


def header_of(names, library="my_model"):
    columns = tuple(column(name, i) for i, name in enumerate(names))
    one = np.ones(1)
    output = Numbers(low=-one, high=one, center=0 * one, scale=one, flat=True)
    encoder = TableEncoder(Schema(tuple(one.schema for one in columns), 0, named=True))
    table = Table(columns, len(columns), named=True, encoder=encoder)
    prediction = Prediction(table, None, output, "0", target="y")
    return prediction_header(Interface(library, prediction), LibraryCode(b"", 4096, ()), "host")


def includes(flags):
    """All headers of C, as far as a language has them: macros that come before the library's header."""
    names = [name for name in C_HEADERS if "-xc" in flags or name not in NOT_OF_CPLUSPLUS]
    if "-std=c17" in flags:
        names.remove("tgmath")
    return "".join(f"#include <{name}.h>\n" for name in names)


def run(compiler, flags, source, *more):
    command = [compiler, *flags, *more, "-"]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False)


def assert_compiles(names):
    header = header_of(names)
    fields = re.findall(r"^    double (\w+);", header, re.MULTILINE)
    assert len(set(fields)) == len(names)
    for compiler, flags in THERE:
        for before in ("", includes(flags)):
            source = (
                f"{before}{header}\nint main(void) {{ return sizeof(my_model_row) != {8 * len(names)}; }}\n"
            )
            done = run(compiler, flags, source, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only")
            assert done.returncode == 0, f"{compiler} {flags}: {done.stderr[:2000]}"


def macros():
    """What the preprocessors here define, with and without headers."""
    found = set()
    for compiler, flags in THERE:
        done = run(compiler, flags, includes(flags), "-dM", "-E")
        assert done.returncode == 0, done.stderr
        found.update(re.findall(r"^#define (\w+)", done.stdout, re.MULTILINE))
    return sorted(found)


@pytest.mark.slow
def test_keywords():
    assert_compiles(KEYWORDS)


@pytest.mark.slow
def test_macros():
    names = macros()
    assert len(names) > 1000 and {"EOF", "NULL", "NAN", "errno", "linux"} <= set(names)
    assert_compiles(names)


@pytest.mark.slow
def test_names_that_the_header_defines_itself():
    own = ["COLUMNS", "OUTPUTS", "STACK_BYTES", "BAD_ARGUMENT", "H"]
    names = [f"MY_MODEL_{what}" for what in own]
    assert_compiles([*names, *(f"{name}_" for name in names), "my_model_row", "my_model_predict", "my_model"])


def test_names_of_existing_headers_stay():
    names = [
        "age",
        "AGE",
        "MedInc",
        "EDUCATION",
        "TEMP_MAX",
        "AMT_INCOME_TOTAL",
        "log",
        "M_AGE",
        "_1st",
        "a__b",
    ]
    for name in names:
        assert f"    double {name};" in header_of(names)


ANY_NAME = (
    st.text(max_size=20) | st.from_regex(r"[A-Za-z_]{1,3}\w{0,3}", fullmatch=True) | st.sampled_from(KEYWORDS)
)


@pytest.mark.slow
@given(names=st.lists(ANY_NAME, min_size=1, max_size=30, unique=True))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_names(names):
    assert_compiles(names)
