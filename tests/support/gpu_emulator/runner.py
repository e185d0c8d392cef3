"""The emulator's scheduler of a kernel's coroutines, in LLVM assembly, and the records that threads share.

The threads of a block run warp by warp, each warp up to its next barrier; its lanes run one after the other up to the
point where they wait for each other. A thread's asynchronous copy first fills its destination with ones (NaN), and is
completed when the thread waits for it: code that reads the destination in between, or still needs the old contents,
finds NaN.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "AT_SEVERAL_BARRIERS", "COPIES", "COPIES_LEFT", "DECLARATIONS", "EXCHANGE", "EXCHANGED", "FOUND_BITS",
    "LANES_APART", "MISALIGNED", "RECORD_WORDS", "SOME_RETURNED", "TURN", "WARP", "WRONG", "run_coroutines",
    "run_functions",
]  # fmt: skip

SOME_RETURNED, AT_SEVERAL_BARRIERS, LANES_APART, COPIES_LEFT, MISALIGNED = 1, 2, 3, 4, 5
"""What is wrong with a block, in the lowest bits of what a runner returns; the block's number plus 1 is above them."""
FOUND_BITS = 3
WARP = 32

RECORD_WORDS = 24
"""A thread's record, in words of 8 bytes. The first says where it waits: at a barrier of this number, for the lanes of
its warp if it is negative, and 0 when it has returned. Then the latest of its copies that are under way, and the number
of groups of copies that it has closed, and whether a copy, or what it read at once, had an address that it must not
have. `TURN` is 0 or 1 by turns: which of the two stretches of `EXCHANGED` words from `EXCHANGE` on others look into."""
_COPIES, _GROUPS, WRONG, TURN, EXCHANGE = 1, 2, 3, 4, 5
EXCHANGED = 8

DECLARATIONS = """declare token @llvm.coro.id(i32, ptr, ptr, ptr)
declare i64 @llvm.coro.size.i64()
declare ptr @llvm.coro.begin(token, ptr)
declare i8 @llvm.coro.suspend(token, i1)
declare ptr @llvm.coro.free(token, ptr)
declare void @llvm.coro.end(ptr, i1, token)
declare void @llvm.coro.resume(ptr)
declare void @llvm.coro.destroy(ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare i64 @llvm.umin.i64(i64, i64)
declare void @llvm.memset.p3.i64(ptr addrspace(3), i8, i64, i1)
declare void @llvm.memcpy.p3.p1.i64(ptr addrspace(3), ptr addrspace(1), i64, i1)"""


COPIES = {
    "begin_copy": f"""define internal void @begin_copy(ptr %record, ptr addrspace(3) %to, ptr addrspace(1) %from,
  i64 %bytes, i64 %taken) noinline nounwind {{
  %latest = getelementptr i64, ptr %record, i64 {_COPIES}
  %at.group = getelementptr i64, ptr %record, i64 {_GROUPS}
  %group = load i64, ptr %at.group
  %next = load ptr, ptr %latest
  %item = call ptr @malloc(i64 48)
  store ptr %next, ptr %item
  %item.group = getelementptr i64, ptr %item, i64 1
  store i64 %group, ptr %item.group
  %item.from = getelementptr i64, ptr %item, i64 2
  store ptr addrspace(1) %from, ptr %item.from
  %item.to = getelementptr i64, ptr %item, i64 3
  store ptr addrspace(3) %to, ptr %item.to
  %item.bytes = getelementptr i64, ptr %item, i64 4
  store i64 %bytes, ptr %item.bytes
  %item.taken = getelementptr i64, ptr %item, i64 5
  store i64 %taken, ptr %item.taken
  store ptr %item, ptr %latest
  %source = ptrtoint ptr addrspace(1) %from to i64
  %target = ptrtoint ptr addrspace(3) %to to i64
  %addresses = or i64 %source, %target
  %mask = sub i64 %bytes, 1
  %over = and i64 %addresses, %mask
  %at.wrong = getelementptr i64, ptr %record, i64 {WRONG}
  %before = load i64, ptr %at.wrong
  %wrong = or i64 %before, %over
  store i64 %wrong, ptr %at.wrong
  call void @llvm.memset.p3.i64(ptr addrspace(3) %to, i8 -1, i64 %bytes, i1 0)
  ret void
}}
""",
    "close_copies": f"""define internal void @close_copies(ptr %record) noinline nounwind {{
  %at.group = getelementptr i64, ptr %record, i64 {_GROUPS}
  %group = load i64, ptr %at.group
  %more = add i64 %group, 1
  store i64 %more, ptr %at.group
  ret void
}}
""",
    "wait_for_copies": f"""define internal void @wait_for_copies(ptr %record, i64 %left) noinline nounwind {{
entry:
  %latest = getelementptr i64, ptr %record, i64 {_COPIES}
  %at.group = getelementptr i64, ptr %record, i64 {_GROUPS}
  %groups = load i64, ptr %at.group
  %end = sub i64 %groups, %left
  br label %look
look:  ; the item that %link leads to
  %link = phi ptr [%latest, %entry], [%item, %stays], [%link, %done]
  %item = load ptr, ptr %link
  %is.last = icmp eq ptr %item, null
  br i1 %is.last, label %return, label %one
one:
  %item.group = getelementptr i64, ptr %item, i64 1
  %group = load i64, ptr %item.group
  %is.due = icmp slt i64 %group, %end
  br i1 %is.due, label %done, label %stays
stays:
  br label %look
done:
  %item.from = getelementptr i64, ptr %item, i64 2
  %from = load ptr addrspace(1), ptr %item.from
  %item.to = getelementptr i64, ptr %item, i64 3
  %to = load ptr addrspace(3), ptr %item.to
  %item.bytes = getelementptr i64, ptr %item, i64 4
  %bytes = load i64, ptr %item.bytes
  %item.taken = getelementptr i64, ptr %item, i64 5
  %taken = load i64, ptr %item.taken
  call void @llvm.memset.p3.i64(ptr addrspace(3) %to, i8 0, i64 %bytes, i1 0)
  call void @llvm.memcpy.p3.p1.i64(ptr addrspace(3) %to, ptr addrspace(1) %from, i64 %taken, i1 0)
  %next = load ptr, ptr %item
  store ptr %next, ptr %link
  call void @free(ptr %item)
  br label %look
return:
  ret void
}}
""",
}
"""The functions that begin a copy, close a group of copies, and wait for all groups but the latest ones.

A copy under way is an item of a list: the next one, its group, where from, where to, how many bytes are copied; the
others up to `bytes` become zeros.
"""


def run_functions(parts: Mapping[str, str]) -> str:
    """Assembly of the function that runs all blocks of a kernel without barriers. `parts`: see `_filled`."""
    return _filled(_HEAD + _EACH_FUNCTION + _TAIL, parts)


def run_coroutines(parts: Mapping[str, str]) -> str:
    """Assembly of the function that runs all blocks of a kernel with barriers."""
    return _filled(_HEAD + _EACH_COROUTINE + _TAIL, parts)


def _filled(text: str, parts: Mapping[str, str]) -> str:
    """A template with the kernel's `NAME`, the `LOADS` of its arguments, `FILL` for shared memory, and the arguments
    `CALL`.
    """
    constants = {
        "RECORD": f"[{RECORD_WORDS} x i64]",
        "COPIES": str(_COPIES),
        "WRONG": str(WRONG),
        "BITS": str(FOUND_BITS),
    }
    for key, part in {**constants, **parts}.items():
        text = text.replace(f"${key}", part)
    return text


_HEAD = """define i64 @run_$NAME(ptr %arguments, i64 %blocks, ptr %block.order, i64 %threads, ptr %order, ptr %handles,
  ptr %records) nounwind {
entry:
  $LOADS
  br label %next.block
next.block:
  %number = phi i64 [0, %entry], [%number.next, %block.done]
  %at.block = getelementptr i64, ptr %block.order, i64 %number
  %block = load i64, ptr %at.block
  $FILL
  br label %begin
"""
_TAIL = """
block.done:
  %number.next = add i64 %number, 1
  %more.blocks = icmp ult i64 %number.next, %blocks
  br i1 %more.blocks, label %next.block, label %end
end:
  ret i64 0
}
"""
_EACH_FUNCTION = """begin:
  %i = phi i64 [0, %next.block], [%i.next, %begin]
  %at.thread = getelementptr i64, ptr %order, i64 %i
  %thread = load i64, ptr %at.thread
  %record = getelementptr $RECORD, ptr %records, i64 %thread
  call void @$NAME($CALL)
  %i.next = add i64 %i, 1
  %more.i = icmp ult i64 %i.next, %threads
  br i1 %more.i, label %begin, label %block.done
"""
_EACH_COROUTINE = """begin:
  br label %round
round:  ; all threads up to their next barrier
  %starts = phi i1 [true, %begin], [false, %waiting]
  br label %next.warp
next.warp:
  %w = phi i64 [0, %round], [%w.next, %warp.done]
  %rest = sub i64 %threads, %w
  %size = call i64 @llvm.umin.i64(i64 %rest, i64 32)
  br label %turn
turn:  ; the lanes of a warp up to where they wait
  %starts.now = phi i1 [%starts, %next.warp], [false, %warp.waits]
  br label %next.lane
next.lane:
  %l = phi i64 [0, %turn], [%l.next, %lane.done]
  %i = add i64 %w, %l
  %at.thread = getelementptr i64, ptr %order, i64 %i
  %thread = load i64, ptr %at.thread
  %record = getelementptr $RECORD, ptr %records, i64 %thread
  %at.handle = getelementptr ptr, ptr %handles, i64 %thread
  br i1 %starts.now, label %start, label %resume
start:
  %handle = call ptr @$NAME($CALL)
  store ptr %handle, ptr %at.handle
  br label %lane.done
resume:
  %known = load ptr, ptr %at.handle
  call void @llvm.coro.resume(ptr %known)
  br label %lane.done
lane.done:
  %l.next = add i64 %l, 1
  %more.l = icmp ult i64 %l.next, %size
  br i1 %more.l, label %next.lane, label %lanes
lanes:
  %at.first = getelementptr i64, ptr %order, i64 %w
  %first = load i64, ptr %at.first
  %at.first.place = getelementptr $RECORD, ptr %records, i64 %first
  %warp.place = load i64, ptr %at.first.place
  br label %count.lanes
count.lanes:  ; does one wait for the others, and do they all?
  %m = phi i64 [0, %lanes], [%m.next, %count.lanes]
  %wait = phi i1 [false, %lanes], [%wait.next, %count.lanes]
  %astray = phi i1 [false, %lanes], [%astray.next, %count.lanes]
  %im = add i64 %w, %m
  %at.m = getelementptr i64, ptr %order, i64 %im
  %thread.m = load i64, ptr %at.m
  %at.place.m = getelementptr $RECORD, ptr %records, i64 %thread.m
  %place.m = load i64, ptr %at.place.m
  %waits.m = icmp slt i64 %place.m, 0
  %wait.next = or i1 %wait, %waits.m
  %differs.m = icmp ne i64 %place.m, %warp.place
  %astray.next = or i1 %astray, %differs.m
  %m.next = add i64 %m, 1
  %more.m = icmp ult i64 %m.next, %size
  br i1 %more.m, label %count.lanes, label %warp.look
warp.look:
  br i1 %wait.next, label %warp.waits, label %warp.done
warp.waits:
  br i1 %astray.next, label %failed, label %turn
warp.done:
  %w.next = add i64 %w, 32
  %more.w = icmp ult i64 %w.next, %threads
  br i1 %more.w, label %next.warp, label %look
look:  ; how many have returned, do the others wait at one barrier, are copies wrong, or not waited for?
  %first.place = load i64, ptr %records
  br label %count
count:
  %j = phi i64 [0, %look], [%j.next, %count]
  %ended = phi i64 [0, %look], [%ended.next, %count]
  %apart = phi i1 [false, %look], [%apart.next, %count]
  %left = phi i1 [false, %look], [%left.next, %count]
  %over = phi i64 [0, %look], [%over.next, %count]
  %at.place = getelementptr $RECORD, ptr %records, i64 %j
  %place = load i64, ptr %at.place
  %is.done = icmp eq i64 %place, 0
  %one = zext i1 %is.done to i64
  %ended.next = add i64 %ended, %one
  %elsewhere = icmp ne i64 %place, %first.place
  %apart.next = or i1 %apart, %elsewhere
  %at.copy = getelementptr i64, ptr %at.place, i64 $COPIES
  %copy = load ptr, ptr %at.copy
  %has.copies = icmp ne ptr %copy, null
  %left.next = or i1 %left, %has.copies
  %at.wrong = getelementptr i64, ptr %at.place, i64 $WRONG
  %wrong = load i64, ptr %at.wrong
  %over.next = or i64 %over, %wrong
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, %threads
  br i1 %more.j, label %count, label %decide
decide:
  %is.right = icmp eq i64 %over.next, 0
  br i1 %is.right, label %who, label %failed
who:
  %all = icmp eq i64 %ended.next, %threads
  br i1 %all, label %ending, label %some
some:
  %none = icmp eq i64 %ended.next, 0
  %kind = select i1 %none, i64 2, i64 1
  br i1 %none, label %waiting, label %failed
waiting:
  br i1 %apart.next, label %failed, label %round
ending:
  br i1 %left.next, label %failed, label %destroy
destroy:
  %d = phi i64 [0, %ending], [%d.next, %destroy]
  %at.d = getelementptr ptr, ptr %handles, i64 %d
  %handle.d = load ptr, ptr %at.d
  call void @llvm.coro.destroy(ptr %handle.d)
  %d.next = add i64 %d, 1
  %more.d = icmp ult i64 %d.next, %threads
  br i1 %more.d, label %destroy, label %block.done
failed:
  %what = phi i64 [3, %warp.waits], [5, %decide], [%kind, %some], [%kind, %waiting], [4, %ending]
  %block.one = add i64 %block, 1
  %high = shl i64 %block.one, $BITS
  %found = or i64 %high, %what
  ret i64 %found
"""
