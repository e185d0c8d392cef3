"""The C interface of a library: names of functions, types and fields."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lamina.errors import LaminaError
from lamina.export import Classes, Column, Prediction, Table

__all__ = ["Field", "Interface", "class_names", "identifier"]

_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class
    co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype
    default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
    int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public
    register reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast
    struct switch template this thread_local throw true try typedef typeid typename typeof typeof_unqual union
    unsigned using virtual void volatile wchar_t while xor xor_eq
    """.split()  # noqa: SIM905 - a list of a hundred words is read best as words
)
"""Keywords of C23 and C++23, since headers are read by both."""

_MACROS = frozenset(
    """
    AIO_PRIO_DELTA_MAX BC_BASE_MAX BC_DIM_MAX BC_SCALE_MAX BC_STRING_MAX BIG_ENDIAN BUFSIZ BYTE_ORDER
    CHARCLASS_NAME_MAX CHAR_BIT CLOCKS_PER_SEC CLOSE_RANGE_CLOEXEC CLOSE_RANGE_UNSHARE COLL_WEIGHTS_MAX
    CPU_SETSIZE CSIGNAL DECIMAL_DIG DELAYTIMER_MAX E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EADV EAFNOSUPPORT
    EAGAIN EALREADY EBADE EBADF EBADFD EBADMSG EBADR EBADRQC EBADSLT EBFONT EBUSY ECANCELED ECHILD ECHRNG ECOMM
    ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDEADLOCK EDESTADDRREQ EDOM EDOTDOT EDQUOT EEXIST EFAULT EFBIG
    EHOSTDOWN EHOSTUNREACH EHWPOISON EIDRM EILSEQ EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR EISNAM EKEYEXPIRED
    EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC ELIBMAX ELIBSCN ELNRNG ELOOP
    EMEDIUMTYPE EMFILE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENAVAIL ENETDOWN ENETRESET ENETUNREACH ENFILE
    ENOANO ENOBUFS ENOCSI ENODATA ENODEV ENOENT ENOEXEC ENOKEY ENOLCK ENOLINK ENOMEDIUM ENOMEM ENOMSG ENONET
    ENOPKG ENOPROTOOPT ENOSPC ENOSR ENOSTR ENOSYS ENOTBLK ENOTCONN ENOTDIR ENOTEMPTY ENOTNAM ENOTRECOVERABLE
    ENOTSOCK ENOTSUP ENOTTY ENOTUNIQ ENXIO EOF EOPNOTSUPP EOVERFLOW EOWNERDEAD EPERM EPFNOSUPPORT EPIPE EPROTO
    EPROTONOSUPPORT EPROTOTYPE ERANGE EREMCHG EREMOTE EREMOTEIO ERESTART ERFKILL EROFS ESHUTDOWN ESOCKTNOSUPPORT
    ESPIPE ESRCH ESRMNT ESTALE ESTRPIPE ETIME ETIMEDOUT ETOOMANYREFS ETXTBSY EUCLEAN EUNATCH EUSERS EWOULDBLOCK
    EXDEV EXFULL EXIT_FAILURE EXIT_SUCCESS EXPR_NEST_MAX FD_SETSIZE FILENAME_MAX FOPEN_MAX F_LOCK F_OK F_TEST
    F_TLOCK F_ULOCK HOST_NAME_MAX I INFINITY IOV_MAX ITIMER_PROF ITIMER_REAL ITIMER_VIRTUAL LINE_MAX
    LITTLE_ENDIAN LOGIN_NAME_MAX LONG_BIT L_INCR L_SET L_XTND L_ctermid L_cuserid L_tmpnam MATH_ERREXCEPT
    MATH_ERRNO MAXFLOAT MAX_CANON MAX_INPUT MB_CUR_MAX MB_LEN_MAX MINSIGSTKSZ MQ_PRIO_MAX NAME_MAX NAN NFDBITS
    NGREG NGROUPS_MAX NL_ARGMAX NL_LANGMAX NL_MSGMAX NL_NMAX NL_SETMAX NL_TEXTMAX NSIG NULL NZERO ONCE_FLAG_INIT
    PATH_MAX PDP_ENDIAN PIPE_BUF P_tmpdir RAND_MAX RENAME_EXCHANGE RENAME_NOREPLACE RENAME_WHITEOUT RE_DUP_MAX
    RTSIG_MAX R_OK SEEK_CUR SEEK_DATA SEEK_END SEEK_HOLE SEEK_SET SEM_FAILED SEM_VALUE_MAX SIGABRT SIGALRM
    SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF
    SIGPWR SIGQUIT SIGRTMAX SIGRTMIN SIGSEGV SIGSTKFLT SIGSTKSZ SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN
    SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ SS_DISABLE SS_ONSTACK STDERR_FILENO
    STDIN_FILENO STDOUT_FILENO TIMER_ABSTIME TIME_UTC TMP_MAX TSS_DTOR_ITERATIONS TTY_NAME_MAX WCONTINUED WEOF
    WEXITED WNOHANG WNOWAIT WORD_BIT WSTOPPED WUNTRACED W_OK XATTR_LIST_MAX XATTR_NAME_MAX XATTR_SIZE_MAX X_OK
    atomic_compare_exchange_strong_explicit atomic_compare_exchange_weak_explicit atomic_exchange_explicit
    atomic_fetch_add_explicit atomic_fetch_and_explicit atomic_fetch_or_explicit atomic_fetch_sub_explicit
    atomic_fetch_xor_explicit atomic_init atomic_load_explicit atomic_store_explicit complex errno linux
    math_errhandling noreturn sa_handler sa_sigaction sched_priority si_addr si_addr_lsb si_arch si_band
    si_call_addr si_fd si_int si_lower si_overrun si_pid si_pkey si_ptr si_status si_stime si_syscall si_timerid
    si_uid si_upper si_utime si_value sigev_notify_attributes sigev_notify_function stderr stdin stdout unix
    i386
    """.split()  # noqa: SIM905
)
"""Names that headers of C, C++ and POSIX, or compilers, may define as macros, except the
`_MACRO_FAMILIES`. (A macro with arguments harms no field.)"""

_MACRO_FAMILIES = re.compile(
    r"""
    (?:[SU]?(?:CHAR|SHRT)|U?(?:LONG|LLONG|LONG_LONG)|U?INT(?:(?:_FAST|_LEAST)?\d+|MAX|PTR)?|PTRDIFF|S?SIZE|SIG_ATOMIC|WCHAR|WINT|BOOL)_(?:MAX|MIN|WIDTH)
    |(?:FLT|DBL|LDBL)_[A-Z]\w*
    |(?:FE|FP|FPE|LC|SIG|SA|SI|SIGEV|SEGV|ILL|BUS|CLD|TRAP|POLL|STA|ADJ|MOD)_[A-Z]\w*
    |(?:PTHREAD|CLONE|CLOCK|SCHED|ATOMIC)_[A-Z]\w*
    |(?:PRI|SCN)[BXbdiouxX](?:FAST|LEAST)?(?:8|16|32|64|MAX|PTR)
    |M_(?:E|PI|1_PI|2_PI|2_SQRTPI|PI_[24]|LN2|LN10|LOG2E|LOG10E|SQRT2|SQRT1_2)(?:l|f\d*x?)?
    |(?:HUGE_VAL|SNAN)\w*
    |SYS_\w+
    |REG_[A-Z]\w*
    """,
    re.VERBOSE,
)

_OWN_MACROS = ("COLUMNS", "PIXELS", "OUTPUTS", "LABELS", "CLASSES", "STACK_BYTES", "BAD_ARGUMENT", "H")
"""Macros that a generated header defines, after the library's name."""


@dataclass(frozen=True)
class Field:
    """A column's slot in a row: eight bytes, a double or the address of a string."""

    name: str
    column: Column


@dataclass(frozen=True)
class Interface:
    """The C names of a library for a prediction; all begin with `name`."""

    name: str
    prediction: Prediction

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of a table's row, in table order."""
        inputs = self.prediction.inputs
        columns = inputs.columns if isinstance(inputs, Table) else ()
        own = {f"{self.name.upper()}_{what}" for what in _OWN_MACROS}
        names = _distinct(
            f"{name}_" if name in own else name for name in (identifier(column.name) for column in columns)
        )
        return tuple(Field(name, column) for name, column in zip(names, columns, strict=True))

    @property
    def has_classes(self) -> bool:
        """Whether it predicts classes (or labels) with probabilities, rather than numbers."""
        return isinstance(self.prediction.output, Classes)

    @property
    def outputs(self) -> int:
        """The number of classes, labels or predicted numbers."""
        return self.prediction.output.outputs


def class_names(output: Classes) -> list[str]:
    """The classes as strings."""
    return [str(label).lower() if isinstance(label, bool) else str(label) for label in output.labels]


def identifier(text: str) -> str:
    """A C identifier similar to a string, and neither a keyword nor a macro.

    >>> [identifier(text) for text in ("age", "hours-per-week", "1st", "größe", "int", "EOF", "_Bool", "")]
    ['age', 'hours_per_week', '_1st', 'gr__e', 'int_', 'EOF_', 'x_Bool', '_']
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"
    if name[0].isdigit():
        name = f"_{name}"
    if re.match("_[A-Z]|__.*[A-Za-z0-9]", name):  # the compiler's own: _Bool, __asm__, __LINE__
        return f"x{name}"
    taken = name in _KEYWORDS or name in _MACROS or _MACRO_FAMILIES.fullmatch(name)
    return f"{name}_" if taken else name


def checked_name(name: str) -> str:
    """The prefix of a library's symbols; raises `LaminaError` if it is not a valid C name."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in _KEYWORDS:
        raise LaminaError(
            f"the library's symbols cannot begin with {name!r}: C's names are letters, digits and _; "
            "choose another name (--name)"
        )
    return name


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, numbered where they would repeat."""
    used: set[str] = set()
    found: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate)
        found.append(candidate)
    return found
