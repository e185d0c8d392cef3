"""The thread pool in generated code: job dispatch, barrier, waiting, floating-point state (as LLVM assembly).

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

import re

_CROWDED_WAITS = 1000  # the number of waits that sleep at once after a long yield

_STATE = """
@busy = internal global i32 0, align 64
@generation = internal global i32 0, align 64
@generation_sleepers = internal global i32 0
@function = internal global ptr null, align 64
@arguments = internal global ptr null
@workers = internal global i64 0
@spins = internal global i64 0
@idle_yields = internal global i64 0
@busy_yields = internal global i64 0
@long_yield = internal global i64 0
@crowded = internal global i64 0, align 64
@stopping = internal global i32 0
@caller_core = internal global i32 -1
@moves = internal global i64 0
@unfinished = internal global i32 0, align 64
@finished = internal global i32 0, align 64
@finished_sleepers = internal global i32 0
@arrived = internal global i32 0, align 64
@passed = internal global i32 0, align 64
@passed_sleepers = internal global i32 0
"""

_WAITING = """
define internal void @wait_while(ptr %word, i32 %old, ptr %sleepers, i64 %yields) nounwind noinline {
entry:
  %limit = load i64, ptr @spins
  br label %spin
spin:
  %count = phi i64 [0, %entry], [%next, %again]
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %old
  br i1 %same, label %again, label %changed
again:
  <pause>
  %next = add i64 %count, 1
  %patient = icmp ult i64 %count, %limit
  br i1 %patient, label %spin, label %look
look:
  %crowded = load atomic i64, ptr @crowded monotonic, align 8
  %free = icmp sle i64 %crowded, 0
  br i1 %free, label %offer, label %avoid
avoid:
  %fewer = sub i64 %crowded, 1
  store atomic i64 %fewer, ptr @crowded monotonic, align 8
  br label %sleep
offer:
  %offered = phi i64 [0, %look], [%more, %yield]
  %then = load atomic i32, ptr %word acquire, align 4
  %unchanged = icmp eq i32 %then, %old
  br i1 %unchanged, label %decide, label %changed
decide:
  %more = add i64 %offered, 1
  %generous = icmp ult i64 %offered, %yields
  br i1 %generous, label %yield, label %sleep
yield:
  %start = call i64 @lamina_ticks()
  <yield>
  %end = call i64 @lamina_ticks()
  %took = sub i64 %end, %start
  %most = load i64, ptr @long_yield
  %short = icmp ult i64 %took, %most
  br i1 %short, label %offer, label %crowd
crowd:
  store atomic i64 <crowded>, ptr @crowded monotonic, align 8
  br label %sleep
sleep:
  %s0 = atomicrmw add ptr %sleepers, i32 1 seq_cst
  br label %check
check:
  %value = load atomic i32, ptr %word seq_cst, align 4
  %still = icmp eq i32 %value, %old
  br i1 %still, label %block, label %awake
block:
  <sleep>
  br label %check
awake:
  %s1 = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  ret void
changed:
  ret void
}

define internal void @advance(ptr %word, ptr %sleepers) nounwind noinline {
  %old = atomicrmw add ptr %word, i32 1 seq_cst
  %sleeping = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp ne i32 %sleeping, 0
  br i1 %any, label %wake, label %done
wake:
  <wake>
  br label %done
done:
  ret void
}

define void @lamina_spin(i64 %times) nounwind {
entry:
  br label %spin
spin:
  %count = phi i64 [0, %entry], [%next, %spin]
  <pause>
  %next = add i64 %count, 1
  %more = icmp ult i64 %next, %times
  br i1 %more, label %spin, label %done
done:
  ret void
}

define void @lamina_barrier(i64 %threads) nounwind {
  %alone = icmp ule i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %round = load atomic i32, ptr @passed acquire, align 4
  %before = atomicrmw add ptr @arrived, i32 1 acq_rel
  %others = trunc i64 %threads to i32
  %last = sub i32 %others, 1
  %complete = icmp eq i32 %before, %last
  br i1 %complete, label %release, label %wait
release:
  store atomic i32 0, ptr @arrived monotonic, align 4
  call void @advance(ptr @passed, ptr @passed_sleepers)
  ret void
wait:
  %yields = load i64, ptr @busy_yields
  call void @wait_while(ptr @passed, i32 %round, ptr @passed_sleepers, i64 %yields)
  ret void
done:
  ret void
}
"""

_JOBS = """
define i32 @lamina_acquire() nounwind {
  %pair = cmpxchg ptr @busy, i32 0, i32 1 acq_rel monotonic
  %free = extractvalue { i32, i1 } %pair, 1
  %result = zext i1 %free to i32
  ret i32 %result
}

define void @lamina_release() nounwind {
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

define void @lamina_run(ptr %function, ptr %arguments, i64 %wanted) nounwind {
  %saved = call i64 @flush_denormals()
  %one = icmp ule i64 %wanted, 1
  br i1 %one, label %alone, label %ask
ask:
  %got = call i32 @lamina_acquire()
  %free = icmp ne i32 %got, 0
  br i1 %free, label %together, label %alone
alone:
  call void %function(ptr %arguments, i64 0, i64 1)
  br label %done
together:
  %workers = load i64, ptr @workers
  %threads = add i64 %workers, 1
  %fits = icmp eq i64 %threads, %wanted
  br i1 %fits, label %begin, label %refuse
refuse:
  call void @lamina_release()
  br label %alone
begin:
  store ptr %function, ptr @function
  store ptr %arguments, ptr @arguments
  %unfinished = trunc i64 %workers to i32
  store i32 %unfinished, ptr @unfinished
  %jobs = load atomic i32, ptr @finished acquire, align 4
  %core = call i32 @current_core()
  store i32 %core, ptr @caller_core
  call void @advance(ptr @generation, ptr @generation_sleepers)
  call void %function(ptr %arguments, i64 0, i64 %threads)
  %yields = load i64, ptr @busy_yields
  call void @wait_while(ptr @finished, i32 %jobs, ptr @finished_sleepers, i64 %yields)
  call void @lamina_release()
  br label %done
done:
  call void @restore_state(i64 %saved)
  ret void
}

define void @lamina_worker(i64 %thread, i32 %first) nounwind {
entry:
  %saved = call i64 @flush_denormals()
  br label %next
next:
  %seen = phi i32 [%first, %entry], [%job, %work], [%job, %last]
  %yields = load i64, ptr @idle_yields
  call void @wait_while(ptr @generation, i32 %seen, ptr @generation_sleepers, i64 %yields)
  %job = load atomic i32, ptr @generation acquire, align 4
  %stopping = load atomic i32, ptr @stopping acquire, align 4
  %stop = icmp ne i32 %stopping, 0
  br i1 %stop, label %leave, label %work
work:
  %function = load ptr, ptr @function
  %arguments = load ptr, ptr @arguments
  %workers = load i64, ptr @workers
  %threads = add i64 %workers, 1
  call void @leave_caller()
  call void %function(ptr %arguments, i64 %thread, i64 %threads)
  %before = atomicrmw sub ptr @unfinished, i32 1 acq_rel
  %is_last = icmp eq i32 %before, 1
  br i1 %is_last, label %last, label %next
last:
  call void @advance(ptr @finished, ptr @finished_sleepers)
  br label %next
leave:
  call void @restore_state(i64 %saved)
  ret void
}

define void @lamina_stop() nounwind {
  store atomic i32 1, ptr @stopping seq_cst, align 4
  call void @advance(ptr @generation, ptr @generation_sleepers)
  ret void
}

define i32 @lamina_configure(i64 %workers, i64 %spins, i64 %idle, i64 %busy, i64 %long, i64 %moves) nounwind {
  store i64 %moves, ptr @moves
  store i64 %long, ptr @long_yield
  store i64 %workers, ptr @workers
  store i64 %spins, ptr @spins
  store i64 %idle, ptr @idle_yields
  store i64 %busy, ptr @busy_yields
  store i32 0, ptr @generation_sleepers
  store i32 0, ptr @finished_sleepers
  store i32 0, ptr @passed_sleepers
  store i32 0, ptr @arrived
  store atomic i32 0, ptr @stopping seq_cst, align 4
  %generation = load atomic i32, ptr @generation acquire, align 4
  ret i32 %generation
}
"""

_X86_STATE = """
declare i64 @llvm.readcyclecounter()

define i64 @lamina_ticks() nounwind {
  %ticks = call i64 @llvm.readcyclecounter()
  ret i64 %ticks
}

declare void @llvm.x86.sse2.pause()
"""

_ARM_STATE = """
declare i64 @llvm.read_volatile_register.i64(metadata)
!0 = !{!"cntvct_el0"}

define i64 @lamina_ticks() nounwind {
  %ticks = call i64 @llvm.read_volatile_register.i64(metadata !0)
  ret i64 %ticks
}

declare void @llvm.aarch64.hint(i32)
"""

_LINUX_CORES = """
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)

define internal i32 @current_core() nounwind {
  %core = call i32 @sched_getcpu()
  ret i32 %core
}

define internal void @leave_caller() nounwind {
  %allowed = alloca [128 x i8], align 8
  %others = alloca [128 x i8], align 8
  %moves = load i64, ptr @moves
  %may = icmp ne i64 %moves, 0
  br i1 %may, label %look, label %stay
look:
  %mine = call i32 @sched_getcpu()
  %theirs = load i32, ptr @caller_core
  %shared = icmp eq i32 %mine, %theirs
  %known = icmp ult i32 %mine, 1024
  %move = and i1 %shared, %known
  br i1 %move, label %ask, label %stay
ask:
  %failed = call i32 @sched_getaffinity(i32 0, i64 128, ptr %allowed)
  %answered = icmp sge i32 %failed, 0
  br i1 %answered, label %go, label %stay
go:
  call void @llvm.memcpy.p0.p0.i64(ptr %others, ptr %allowed, i64 128, i1 false)
  %index = lshr i32 %mine, 3
  %bit = and i32 %mine, 7
  %shift = trunc i32 %bit to i8
  %one = shl i8 1, %shift
  %rest = xor i8 %one, -1
  %byte = getelementptr i8, ptr %others, i32 %index
  %old = load i8, ptr %byte
  %new = and i8 %old, %rest
  store i8 %new, ptr %byte
  %gone = call i32 @sched_setaffinity(i32 0, i64 128, ptr %others)
  %back = call i32 @sched_setaffinity(i32 0, i64 128, ptr %allowed)
  br label %stay
stay:
  ret void
}

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

_OTHER_CORES = """
define internal i32 @current_core() nounwind alwaysinline {
  ret i32 -1
}

define internal void @leave_caller() nounwind alwaysinline {
  ret void
}
"""

RUNTIME_FUNCTIONS = tuple(re.findall(r"define \S+ @(lamina_\w+)", _WAITING + _JOBS + _X86_STATE))

_FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98}
_WAIT_PRIVATE, _WAKE_PRIVATE = 128, 129


def runtime_ir(architecture: str, system: str) -> str:
    """The LLVM assembly of the runtime for a processor ("x86_64", "aarch64") and a system (`platform.system()`)."""
    state, pause = {
        "x86_64": (_X86_STATE, "call void @llvm.x86.sse2.pause()"),
        "aarch64": (_ARM_STATE, "call void @llvm.aarch64.hint(i32 1)"),
    }[architecture]
    declaration, sleep, wake, yields = _sleeping(architecture, system)
    cores = _LINUX_CORES if system == "Linux" else _OTHER_CORES
    parts = _STATE, declaration, state, DENORMAL_STATE[architecture], cores, _WAITING, _JOBS
    code = "".join(parts).replace("<pause>", pause)
    code = code.replace("<sleep>", sleep).replace("<wake>", wake).replace("<yield>", yields)
    return code.replace("<crowded>", str(_CROWDED_WAITS))


def _sleeping(architecture: str, system: str) -> tuple[str, str, str, str]:
    """The platform's declarations for sleeping until a word may have changed, waking all sleepers, and yielding."""
    yields = "%ignored = call i32 @sched_yield()"
    if system == "Linux":
        call = f"call i64 (i64, ...) @syscall(i64 {_FUTEX_NUMBERS[architecture]}, ptr %word"
        sleep = f"%slept = {call}, i32 {_WAIT_PRIVATE}, i32 %old, ptr null)"
        wake = f"%woken = {call}, i32 {_WAKE_PRIVATE}, i32 2147483647)"
        return "\ndeclare i64 @syscall(i64, ...)\ndeclare i32 @sched_yield()\n", sleep, wake, yields
    if system == "Windows":
        return "\ndeclare void @Sleep(i32)\n", "call void @Sleep(i32 1)", "", "call void @Sleep(i32 0)"
    declarations = "\ndeclare i32 @usleep(i32)\ndeclare i32 @sched_yield()\n"
    return declarations, "%slept = call i32 @usleep(i32 50)", "", yields


# --- Flushing denormals to zero in generated code, and restoring the state after it; see `lamina.core.denormals` -----


_X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define internal i64 @flush_denormals() nounwind alwaysinline {
  %slot = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %slot)
  %old = load i32, ptr %slot
  %new = or i32 %old, 32832
  store i32 %new, ptr %slot
  call void @llvm.x86.sse.ldmxcsr(ptr %slot)
  %wide = zext i32 %old to i64
  ret i64 %wide
}

define internal void @restore_state(i64 %wide) nounwind alwaysinline {
  %slot = alloca i32
  %old = trunc i64 %wide to i32
  store i32 %old, ptr %slot
  call void @llvm.x86.sse.ldmxcsr(ptr %slot)
  ret void
}
"""

_ARM = """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)

define internal i64 @flush_denormals() nounwind alwaysinline {
  %old = call i64 @llvm.aarch64.get.fpcr()
  %new = or i64 %old, 16777216
  call void @llvm.aarch64.set.fpcr(i64 %new)
  ret i64 %old
}

define internal void @restore_state(i64 %old) nounwind alwaysinline {
  call void @llvm.aarch64.set.fpcr(i64 %old)
  ret void
}
"""

DENORMAL_STATE = {"x86_64": _X86, "aarch64": _ARM}
"""For each architecture, ``i64 @flush_denormals()``, and ``void @restore_state(i64)``, which takes its result."""
