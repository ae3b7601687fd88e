"""Sixteen numbers at once, as a Numba type: what the training kernel computes with.

A row of the embedding table is padded to a multiple of 16 numbers, so that one row of float32 is one cache line and, on
a machine with 512-bit registers, one register; elsewhere LLVM splits the vectors into what the processor has. Left to
itself the compiler keeps loops over such rows scalar, because it cannot prove that they do not overlap.

No operation here may be reordered or contracted: every sum has its order written out, and a fused multiply-add stands
only where `fma` does. So a result depends on the numbers alone, not on where the arrays lie or how a loop was compiled.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

COUNT = 16
_INT = ir.IntType(32)


def padded(dim: int) -> int:
    """Row length: `dim` rounded up to a multiple of 16."""
    return -(-dim // COUNT) * COUNT


class Lanes(types.Type):
    """Sixteen numbers of one floating-point type."""

    def __init__(self, dtype: types.Float):
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        element = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, COUNT))


class _Binary(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 2 and isinstance(args[0], Lanes) and args[0] == args[1]:
            return signature(args[0], *args)
        return None


def _declare(function, instruction: str) -> None:
    infer_global(function)(type(f"_{instruction}", (_Binary,), {}))

    def lower(context, builder, signature, args):
        return getattr(builder, instruction)(*args)

    lower_builtin(function, Lanes, Lanes)(lower)


_declare(operator.add, "fadd")
_declare(operator.iadd, "fadd")
_declare(operator.sub, "fsub")
_declare(operator.mul, "fmul")
_declare(operator.imul, "fmul")
_declare(operator.truediv, "fdiv")


def _vector(context, dtype) -> tuple[ir.Type, ir.VectorType]:
    element = context.get_value_type(dtype)
    return element, ir.VectorType(element, COUNT)


def _size(dtype) -> int:
    return dtype.bitwidth // 8


def _load(builder, pointer, vector, dtype):
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=_size(dtype))


def _splat(builder, scalar, vector):
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT, COUNT), [0] * COUNT))


def _shuffle(builder, a, b, picks):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, len(picks)), picks))


def _call(builder, name, vector, *args):
    suffix = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    function = ir.FunctionType(vector, [vector] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.v16{suffix}"), args)


@intrinsic
def pointer(typingctx, array):
    """Where the numbers of an array lie, to index and to pass on. Arrays themselves are reference-counted wherever they
    are passed, which took half of the kernel's time; whoever takes a pointer has to keep the array."""

    def codegen(context, builder, signature, args):
        return context.make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def further(typingctx, x, i):
    """The pointer to x[i]."""
    return x(x, types.int64), lambda context, builder, signature, args: builder.gep(args[0], [args[1]])


@intrinsic
def load(typingctx, x, i):
    """x[i], ..., x[i + 15]."""

    def codegen(context, builder, signature, args):
        return _load(builder, builder.gep(args[0], [args[1]]), _vector(context, x.dtype)[1], x.dtype)

    return Lanes(x.dtype)(x, types.int64), codegen


@intrinsic
def store(typingctx, x, i, value):
    """x[i], ..., x[i + 15] = value."""

    def codegen(context, builder, signature, args):
        pointer = builder.gep(args[0], [args[1]])
        vector = _vector(context, x.dtype)[1]
        builder.store(args[2], builder.bitcast(pointer, vector.as_pointer()), align=_size(x.dtype))
        return context.get_dummy_value()

    return types.void(x, types.int64, Lanes(x.dtype)), codegen


@intrinsic
def splat(typingctx, scalar):
    """Sixteen times the same number."""

    def codegen(context, builder, signature, args):
        return _splat(builder, args[0], _vector(context, scalar)[1])

    return Lanes(scalar)(scalar), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """a b + c, rounded once."""
    return a(a, a, a), lambda context, builder, signature, args: _call(builder, "fma", args[0].type, *args)


@intrinsic
def sqrt(typingctx, a):
    """The square roots."""
    return a(a), lambda context, builder, signature, args: _call(builder, "sqrt", args[0].type, *args)


@intrinsic
def larger(typingctx, a, b):
    """The larger of each two numbers; `b` where `a` is none."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, a), codegen


@intrinsic
def where_below(typingctx, a, b, yes, no):
    """`yes` in the lanes in which a < b, `no` in the others."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return a(a, a, a, a), codegen


@intrinsic
def head(typingctx, a, count, rest):
    """The first `count` lanes of `a`, and of `rest` the others."""

    def codegen(context, builder, signature, args):
        integers = ir.VectorType(ir.IntType(64), COUNT)
        inside = builder.icmp_signed("<", ir.Constant(integers, list(range(COUNT))), _splat(builder, args[1], integers))
        return builder.select(inside, args[0], args[2])

    return a(a, types.int64, a), codegen


def _fold(builder, value, combine):
    """One number from all lanes: the upper half onto the lower half, until one is left."""
    width = COUNT
    while width > 1:
        width //= 2
        value = combine(
            _shuffle(builder, value, value, list(range(width))),
            _shuffle(builder, value, value, list(range(width, 2 * width))),
        )
    return builder.extract_element(value, ir.Constant(_INT, 0))


@intrinsic
def total(typingctx, a):
    """The sum of the lanes."""
    return a.dtype(a), lambda context, builder, signature, args: _fold(builder, args[0], builder.fadd)


@intrinsic
def highest(typingctx, a):
    """The largest lane."""

    def combine(builder, x, y):
        return builder.select(builder.fcmp_ordered(">", x, y), x, y)

    def codegen(context, builder, signature, args):
        return _fold(builder, args[0], lambda x, y: combine(builder, x, y))

    return a.dtype(a), codegen


@intrinsic
def product(typingctx, a):
    """The product of the lanes, in float64."""

    def codegen(context, builder, signature, args):
        wide = ir.VectorType(ir.DoubleType(), COUNT)
        value = args[0] if args[0].type == wide else builder.fpext(args[0], wide)
        return _fold(builder, value, builder.fmul)

    return types.float64(a), codegen


def _halves(width: int) -> tuple[list[int], list[int]]:
    """Of two vectors that hold sums of 2 `width` lanes side by side: the lanes of their lower and upper halves."""
    starts = [at + side for at in range(0, COUNT, 2 * width) for side in (0, COUNT)]
    if width >= 4:  # whole quarters of a register are cheap to take from one vector after the other
        starts = [at + side for side in (0, COUNT) for at in range(0, COUNT, 2 * width)]
    lower = [start + i for start in starts for i in range(width)]
    return lower, [lane + width for lane in lower]


def _places() -> list[int]:
    """For each lane of the result of `_row_sums`: the place in the tree that it comes from."""
    names = [[place] * COUNT for place in range(COUNT)]
    for width in (8, 4, 2, 1):
        names = [[(a + b)[lane] for lane in _halves(width)[0]] for a, b in zip(names[::2], names[1::2], strict=True)]
    return names[0]


def _row_sums(builder, row, first: int = 0, count: int = COUNT):
    """Vectors whose lane r is the sum of the lanes of row(r), for each vector of the tuple row(r), sixteen rows.

    A tree of four rounds, each of which adds the upper halves of two vectors' sums to the lower ones. It is built depth
    first, so that few vectors are in flight.
    """
    if count == 1:
        return row(_places().index(first))
    half = count // 2
    left, right = _row_sums(builder, row, first, half), _row_sums(builder, row, first + half, half)
    lower, upper = _halves(COUNT // count)
    return tuple(
        builder.fadd(_shuffle(builder, a, b, lower), _shuffle(builder, a, b, upper))
        for a, b in zip(left, right, strict=True)
    )


@intrinsic
def squares(typingctx, x, rows, first, stride, k, anchor):
    """(|u - x_r|^2, |x_r|^2) over 16 columns from k, in lane r for the row at x[rows[first + r] * stride]."""
    kind = Lanes(x.dtype)
    index = types.int64
    result = types.UniTuple(kind, 2)(x, rows, index, index, index, anchor)

    def codegen(context, builder, signature, args):
        vector = _vector(context, x.dtype)[1]
        u = _load(builder, builder.gep(args[5], [args[4]]), vector, x.dtype)

        def row(r: int) -> tuple:
            place = builder.add(args[2], ir.Constant(args[2].type, r))
            node = builder.load(builder.gep(args[1], [place]))
            at = builder.add(builder.mul(node, args[3]), args[4])
            values = _load(builder, builder.gep(args[0], [at]), vector, x.dtype)
            gap = builder.fsub(u, values)
            return builder.fmul(gap, gap), builder.fmul(values, values)

        return context.make_tuple(builder, signature.return_type, _row_sums(builder, row))

    return result, codegen


@intrinsic
def prefetch(typingctx, x, i):
    """Asks for the cache line of x[i] to be fetched; changes nothing."""

    def codegen(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
        pointer = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        fetch = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0i8")
        builder.call(fetch, [pointer, *(ir.Constant(_INT, v) for v in (1, 3, 1))])
        return context.get_dummy_value()

    return types.void(x, types.int64), codegen
