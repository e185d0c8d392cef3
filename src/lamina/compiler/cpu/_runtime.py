"""The thread pool in generated code: job dispatch, barrier, waiting.

A job is one function executed by all threads of the pool: the caller is thread 0, and each worker takes part in every
job. If the pool's size differs from the number of threads for which the job has memory, the caller executes it alone. A
wait spins for a while, because most waits take microseconds, and then sleeps in the operating system's kernel. All
words on which threads wait are counters that only increase. A sleeper announces itself first, so incrementing a counter
calls the kernel only if a thread sleeps.

Between spinning and sleeping, a thread yields its core repeatedly for a while. The scheduler of a virtual machine may
put two threads on one core and leave another idle: then the thread being waited for runs at once, and two runnable
threads soon get a core each. A worker that finds itself on the caller's core at the beginning of a job moves to another
core, where the system permits this (Linux).

Where other processes use the cores, a yield costs a whole time slice, a thousand times a usual wait. So yields are
timed, and after a long yield the next waits sleep immediately: a sleeping thread runs soon after it is woken.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._transpose import RUNTIME_COPY, write_copy
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.llvm import BOOL, BYTE, FLOAT32, INDEX, INT32, Pointer, Value
from lamina.core.memory import LINE_BYTES

_CROWDED_WAITS = 1000  # the number of waits that sleep at once after a long yield
_MASK_BYTES = 128  # of the cores that a thread may use, on Linux

_MEMORY = (
    "i32 busy",
    "i32 generation, i32 generation_sleepers",
    "ptr function, ptr arguments, i64 workers, i64 spins, i64 idle_yields, i64 busy_yields, i64 long_yield",
    "i64 crowded, i64 moves, i32 stopping, i32 caller_core",
    "i32 unfinished",
    "i32 finished, i32 finished_sleepers",
    "i32 arrived",
    "i32 passed, i32 passed_sleepers",
)
"""The runtime's variables, by cache line."""


def runtime_ir(machine: Machine, system: str) -> str:
    """The LLVM assembly of the runtime for a processor and a system (`platform.system()`)."""
    module, kernel = ThreadModule(machine), _kernel(machine, system)
    for line in _MEMORY:
        for place, variable in enumerate(line.split(", ")):
            kind, name = variable.split()
            alignment = "" if place else f", align {LINE_BYTES}"
            module.declare(f"@{name} = internal global {kind} zeroinitializer{alignment}")
    for declaration in kernel.declarations:
        module.declare(declaration)
    waiting = {"word": None, "old": INT32, "sleepers": None, "yields": INDEX}
    with module.function("wait_while", waiting, internal=True) as b:
        _write_wait(b, kernel)
    with module.function("advance", {"word": None, "sleepers": None}, internal=True) as b:
        _add(b, b.pointer_argument("word"), 1)
        with b.if_(b.not_equal(_word(b, b.pointer_argument("sleepers"), "seq_cst"), 0)):
            b.emit(kernel.wake)
    with module.function("lamina_ticks", {}) as b:
        b.returns(_clock(b))
    with module.function("lamina_spin", {"times": INDEX}) as b, b.loop(0, b.argument("times")):
        _pause(b)
    with module.function("lamina_barrier", {"threads": INDEX}) as b:
        _write_barrier(b)
    write_copy(module, RUNTIME_COPY, FLOAT32)  # which kernels of most programs call
    _write_pool(module, has_cores=system == "Linux")
    return module.ir()


def _write_pool(module: ThreadModule, *, has_cores: bool) -> None:
    """Write the functions that give jobs to threads; with `has_cores`, workers can leave the caller's core."""
    with module.function("lamina_acquire", {}) as b:
        before = b.result("atomicrmw xchg ptr @busy, i32 1 acq_rel", INT32)
        b.returns(b.cast(b.equal(before, 0), INT32))
    with module.function("lamina_release", {}) as b:
        _put(b, "busy", b.const(0, INT32), "release")
    with (
        module.function("lamina_run", {"function": None, "arguments": None, "wanted": INDEX}) as b,
        b.flushing_denormals(),
    ):
        _write_run(b, has_cores=has_cores)
    with module.function("lamina_side_by_side") as b:
        _write_side_by_side(b)
    with module.function("lamina_worker", {"thread": INDEX, "first": INT32}) as b, b.flushing_denormals():
        _write_worker(b, has_cores=has_cores)
    with module.function("lamina_stop", {}) as b:
        _put(b, "stopping", b.const(1, INT32), "seq_cst")
        _advance(b, "generation")
    settings = "workers", "spins", "idle_yields", "busy_yields", "long_yield", "moves"
    with module.function("lamina_configure", dict.fromkeys(settings, INDEX)) as b:
        for name in settings:
            b.store(Pointer(f"@{name}"), b.argument(name))
        for name in ("generation_sleepers", "finished_sleepers", "passed_sleepers", "arrived"):
            b.store(Pointer(f"@{name}"), b.const(0, INT32))
        _put(b, "stopping", b.const(0, INT32), "seq_cst")
        b.returns(_word(b, Pointer("@generation")))


# --- waiting -----------------------------------------------------------------------------------------------------


def _write_wait(b: ThreadBuilder, kernel: _Kernel) -> None:
    """Write the body of ``wait_while``, which returns when `word` no longer has the value `old`."""
    word, sleepers, old = b.pointer_argument("word"), b.pointer_argument("sleepers"), b.argument("old")

    def is_same(order: str = "acquire") -> Value:
        return b.equal(_word(b, word, order), old)

    spins = b.variable(_number(b, "spins"))
    with b.while_(lambda: b.logical_and(is_same(), b.greater_equal(spins.get(), 0))):
        _pause(b)
        spins.set(spins.get() - 1)
    with b.if_(is_same()):
        crowded = b.result("load atomic i64, ptr @crowded monotonic, align 8", INDEX)
        is_crowded = b.greater(crowded, 0)
        with b.if_(is_crowded):
            _put(b, "crowded", crowded - 1, "monotonic")
        yields = b.variable(b.where(is_crowded, 0, b.argument("yields")))
        with b.while_(lambda: b.logical_and(is_same(), b.greater(yields.get(), 0))):
            start = _ticks(b)
            b.emit(kernel.offer)
            is_long = b.greater_equal(_ticks(b) - start, _number(b, "long_yield"))
            yields.set(b.where(is_long, 0, yields.get() - 1))
            with b.if_(is_long):
                _put(b, "crowded", b.const(_CROWDED_WAITS), "monotonic")
        with b.if_(is_same()):
            _add(b, sleepers, 1)
            with b.while_(lambda: is_same("seq_cst")):
                b.emit(kernel.sleep)
            _add(b, sleepers, -1)


def _write_barrier(b: ThreadBuilder) -> None:
    """Write the body of ``lamina_barrier``: the last thread that arrives lets all pass."""
    threads = b.argument("threads")

    def release() -> None:
        _put(b, "arrived", b.const(0, INT32), "monotonic")
        _advance(b, "passed")

    with b.if_(b.greater(threads, 1)):
        round_number = _word(b, Pointer("@passed"))
        before = _add(b, Pointer("@arrived"), 1, "acq_rel")
        is_last = b.equal(before, b.cast(threads, INT32) - 1)
        b.if_else(is_last, release, lambda: _wait(b, "passed", round_number, "busy_yields"))


def _wait(b: ThreadBuilder, name: str, old: Value, yields: str) -> None:
    b.call("wait_while", Pointer(f"@{name}"), old, Pointer(f"@{name}_sleepers"), _number(b, yields))


def _advance(b: ThreadBuilder, name: str) -> None:
    """Increment a word on which threads wait."""
    b.call("advance", Pointer(f"@{name}"), Pointer(f"@{name}_sleepers"))


# --- jobs --------------------------------------------------------------------------------------------------------


def _write_run(b: ThreadBuilder, *, has_cores: bool) -> None:
    """Write the body of ``lamina_run``, which executes a job with all workers, or alone if they are not free."""
    function, arguments, wanted = (
        b.pointer_argument("function"),
        b.pointer_argument("arguments"),
        b.argument("wanted"),
    )
    together = b.variable(b.const(False, BOOL))
    with b.if_(b.greater(wanted, 1)), b.if_(b.not_equal(b.result("call i32 @lamina_acquire()", INT32), 0)):
        fits = b.equal(_number(b, "workers") + 1, wanted)
        together.set(fits)
        with b.if_(b.logical_not(fits)):
            b.call("lamina_release")

    def begin() -> None:
        b.store_pointer(Pointer("@function"), function)
        b.store_pointer(Pointer("@arguments"), arguments)
        b.store(Pointer("@unfinished"), b.cast(wanted - 1, INT32))
        jobs = _word(b, Pointer("@finished"))
        if has_cores:
            b.store(Pointer("@caller_core"), _core(b))
        _advance(b, "generation")
        b.call(function, arguments, b.const(0), wanted)
        _wait(b, "finished", jobs, "busy_yields")
        b.call("lamina_release")

    b.if_else(together.get(), begin, lambda: b.call(function, arguments, b.const(0), b.const(1)))


def _write_worker(b: ThreadBuilder, *, has_cores: bool) -> None:
    """Write the body of ``lamina_worker``: the jobs after number `first`, until the pool stops."""
    job = b.variable(b.argument("first"))
    goes_on = b.variable(b.const(True, BOOL))
    with b.while_(goes_on.get):
        _wait(b, "generation", job.get(), "idle_yields")
        job.set(_word(b, Pointer("@generation")))
        goes_on.set(b.equal(_word(b, Pointer("@stopping")), 0))
        with b.if_(goes_on.get()):
            function, arguments = b.load_pointer(Pointer("@function")), b.load_pointer(Pointer("@arguments"))
            threads = _number(b, "workers") + 1
            if has_cores:
                _leave_caller(b)
            b.call(function, arguments, b.argument("thread"), threads)
            before = _add(b, Pointer("@unfinished"), -1, "acq_rel")
            with b.if_(b.equal(before, 1)):
                _advance(b, "finished")


def _write_side_by_side(b: ThreadBuilder) -> None:
    """Write the body of ``lamina_side_by_side``, a job whose arguments are functions with arguments of their own.

    The arguments begin with the number of functions, and the number of those that a single thread executes alone, by
    turns. All threads execute the other functions together.
    """
    places, thread, threads = b.pointer_argument("arguments"), b.argument("thread"), b.argument("threads")
    alone = b.load(places, INDEX, 1)
    with b.loop(b.const(0), b.load(places, INDEX, 0)) as i:
        is_alone = b.less(i, alone)
        is_own = b.equal(b.sub(i, b.mul(b.divide_positive(i, threads), threads)), thread)
        with b.if_(b.logical_or(b.logical_not(is_alone), is_own)):
            function, arguments = b.load_pointer(places, i * 2 + 2), b.load_pointer(places, i * 2 + 3)
            b.call(function, arguments, b.where(is_alone, 0, thread), b.where(is_alone, 1, threads))


def _core(b: ThreadBuilder) -> Value:
    """The number of the core on which the thread runs."""
    return b.result("call i32 @sched_getcpu()", INT32)


def _leave_caller(b: ThreadBuilder) -> None:
    """Move the thread to another core if it is on the caller's: take that core out of its mask, and put it back."""
    core = _core(b)
    is_shared = b.logical_and(b.equal(core, b.load(Pointer("@caller_core"), INT32)), b.greater_equal(core, 0))
    is_shared = b.logical_and(is_shared, b.less(core, 8 * _MASK_BYTES))
    allowed, others = b.alloca(BYTE, _MASK_BYTES), b.alloca(BYTE, _MASK_BYTES)

    def ask(name: str, mask: Pointer) -> Value:
        return b.result(f"call i32 @sched_{name}affinity(i32 0, i64 {_MASK_BYTES}, {mask.typed})", INT32)

    may_move = b.logical_and(is_shared, b.not_equal(_number(b, "moves"), 0))
    with b.if_(may_move), b.if_(b.greater_equal(ask("get", allowed), 0)):
        with b.loop(0, _MASK_BYTES // INDEX.itemsize) as i:
            b.store(others, b.load(allowed, INDEX, i), i)
        place = b.cast(b.shift_right(core, 3), INDEX)
        own = b.shift_left(b.const(1, BYTE), b.cast(b.bit_and(core, 7), BYTE))
        b.store(others, b.bit_and(b.load(others, BYTE, place), b.bit_xor(own, -1)), place)
        ask("set", others)
        ask("set", allowed)


# --- words in memory: those that threads change at the same time, and settings -----------------------------------


def _number(b: ThreadBuilder, name: str) -> Value:
    return b.load(Pointer(f"@{name}"), INDEX)


def _word(b: ThreadBuilder, pointer: Pointer, order: str = "acquire") -> Value:
    return b.result(f"load atomic i32, {pointer.typed} {order}, align 4", INT32)


def _put(b: ThreadBuilder, name: str, value: Value, order: str) -> None:
    b.emit(f"store atomic {value.typed}, ptr @{name} {order}, align {value.dtype.itemsize}")


def _add(b: ThreadBuilder, pointer: Pointer, count: int, order: str = "seq_cst") -> Value:
    """Add to a word, and return its value before."""
    return b.result(f"atomicrmw add {pointer.typed}, i32 {count} {order}", INT32)


def _ticks(b: ThreadBuilder) -> Value:
    return b.result("call i64 @lamina_ticks()", INDEX)


# --- instructions of processors, functions of systems ------------------------------------------------------------


def _pause(b: ThreadBuilder) -> None:
    """Let a thread that spins wait for a moment."""
    if b.module.machine.architecture == "x86_64":
        b.module.declare("declare void @llvm.x86.sse2.pause()")
        b.call("llvm.x86.sse2.pause")
    else:
        b.module.declare("declare void @llvm.aarch64.hint(i32)")
        b.call("llvm.aarch64.hint", b.const(1, INT32))


def _clock(b: ThreadBuilder) -> Value:
    """The processor's clock."""
    if b.module.machine.architecture == "x86_64":
        b.module.declare("declare i64 @llvm.readcyclecounter()")
        return b.result("call i64 @llvm.readcyclecounter()", INDEX)
    b.module.declare('!0 = !{!"cntvct_el0"}')
    b.module.declare("declare i64 @llvm.read_volatile_register.i64(metadata)")
    return b.result("call i64 @llvm.read_volatile_register.i64(metadata !0)", INDEX)


class _Kernel(NamedTuple):
    """A system's calls that sleep until a word may have changed, wake all sleepers, and offer the core to others."""

    declarations: tuple[str, ...]
    sleep: str
    wake: str
    offer: str


_FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98}
_WAIT_PRIVATE, _WAKE_PRIVATE = 128, 129


def _kernel(machine: Machine, system: str) -> _Kernel:
    if system == "Windows":
        return _Kernel(
            ("declare void @Sleep(i32)",), "call void @Sleep(i32 1)", "", "call void @Sleep(i32 0)"
        )
    declarations, offer = ("declare i32 @sched_yield()",), "%ignored = call i32 @sched_yield()"
    if system != "Linux":
        return _Kernel(
            (*declarations, "declare i32 @usleep(i32)"), "%slept = call i32 @usleep(i32 50)", "", offer
        )
    call = f"call i64 (i64, ...) @syscall(i64 {_FUTEX_NUMBERS[machine.architecture]}, ptr %word"
    return _Kernel(
        (
            *declarations,
            "declare i64 @syscall(i64, ...)",
            "declare i32 @sched_getcpu()",
            "declare i32 @sched_getaffinity(i32, i64, ptr)",
            "declare i32 @sched_setaffinity(i32, i64, ptr)",
        ),
        f"%slept = {call}, i32 {_WAIT_PRIVATE}, i32 %old, ptr null)",
        f"%woken = {call}, i32 {_WAKE_PRIVATE}, i32 2147483647)",
        offer,
    )
