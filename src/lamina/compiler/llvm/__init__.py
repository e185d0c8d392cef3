"""Machine code from Python: a small facade over LLVM.

Importing this package doesn't load LLVM; importing `jit` does, on the first compilation.

A module consists of functions, and a builder writes each function:

    module = ThreadModule()                    # lamina.compiler.cpu._builder
    with module.function("step") as b:         # void step(void *arguments, int64 thread, int64 threads)
        arguments = b.pointer_argument("arguments")
        x, y = (b.load_pointer(arguments, i) for i in range(2))
        start, stop = b.split(1000, step=16)   # this thread's share
        def body(i, lanes):                    # for whole vectors and for the tail
            b.store(y, b.exp(b.load(x, FLOAT32, i, lanes)), i)
        b.vector_loop(start, stop, b.lanes(FLOAT32), body)
    compiled = run.load(key, lambda: module, functions=("step",))   # lamina.compiler.cpu.run
    run.run(compiled.address("step"), address_of_the_arguments)

* `values`: `Value` (dtype, lanes; `+ - *` work) and `Pointer`; dtypes are NumPy's. Bool values are masks.
* `builder.Builder`: every element operation under its NumPy name (`b.add(x, y)`, `b.maximum`, `b.where`,
  `b.cast`, …; numbers become constants, scalars are broadcast to all lanes, dtypes must agree);
  `b.loop(start, stop, step)`, `b.vector_loop`, `b.if_`, `b.if_else`; `b.variable(initial)` with
  `get` and `set` for values that a loop carries; `b.load`, `b.store`, `b.load_strided`, `b.gather`, `b.offset`,
  `b.alloca`; `b.reduce_add`, … over lanes, `b.widen`, `b.narrow`.
  `lanes` may be any number: a remainder of 3 elements is a vector of 3 lanes.
* `mathematics.Mathematics`: a builder that also has `exp`, `tanh`, … A target's builder derives from it.
* `random`: Philox4x64-10, the bits of `numpy.random.Philox`.
* `jit.load`: machine code, from the disk cache if possible (`run.load` adds the runtime).
* `machine`: the properties of a target's machine.

Element operations give the same bits for an element whatever the number of lanes. So results depend neither on tails
nor on the division of work. No instruction has fast-math flags; `fma` is emitted only where the code says so. The
threads that run the code flush denormals (`lamina.compiler.cpu.run`), not the code itself.
"""

from lamina.compiler.llvm._builder import Builder, Variable
from lamina.compiler.llvm.module import Module
from lamina.compiler.llvm.values import (
    BOOL,
    BYTE,
    FLOAT32,
    FLOAT64,
    INDEX,
    INT32,
    UINT64,
    DType,
    Operand,
    Pointer,
    Value,
)

__all__ = [
    "BOOL", "BYTE", "FLOAT32", "FLOAT64", "INDEX", "INT32", "UINT64", "Builder", "DType", "Module", "Operand",
    "Pointer", "Value", "Variable",
]  # fmt: skip
