"""Flushing denormals to zero in generated code, and restoring the state after it; see `lamina.core.denormals`."""

from __future__ import annotations

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
