"""What the kernels share: blocks of memory and activations.

A program computes a block of the sequences of one member, over all steps. Sizes are padded to
powers of two; what lies beyond the true sizes is read as 0 and not written.
"""

import triton
import triton.language as tl


@triton.jit
def read(at, rows, columns, stride, inside):
    """Read the block at `rows` and `columns` of a matrix with rows of `stride` numbers."""
    return tl.load(at + rows[:, None] * stride + columns[None, :], mask=inside, other=0.0)


@triton.jit
def write(at, rows, columns, stride, inside, numbers):
    """Write a block, as `read` reads it."""
    tl.store(at + rows[:, None] * stride + columns[None, :], numbers, mask=inside)


@triton.jit
def weights(at, rows, columns, height, width, TRANSPOSED: tl.constexpr):
    """Read a matrix of weights `(height, width)`, or its transpose."""
    if TRANSPOSED:
        inside = (rows < width)[:, None] & (columns < height)[None, :]
        return tl.load(at + columns[None, :] * width + rows[:, None], mask=inside, other=0.0)
    else:
        inside = (rows < height)[:, None] & (columns < width)[None, :]
        return read(at, rows, columns, width, inside)


@triton.jit
def dot(left, right):
    """Multiply in float32; the tensor cores take three products of tf32 for one."""
    return tl.dot(left, right, input_precision="tf32x3")


@triton.jit
def hyperbolic(x):
    """Compute tanh(x)."""
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def activate(x, F: tl.constexpr):
    """Apply the F-th of `ACTIVATIONS`."""
    if F == 0:
        return hyperbolic(x)
    elif F == 1:
        return tl.sigmoid(x)
    else:
        return tl.maximum(x, 0.0)


@triton.jit
def slope(y, F: tl.constexpr):
    """Return the derivative of the F-th activation where its value is y."""
    if F == 0:
        return 1 - y * y
    elif F == 1:
        return y * (1 - y)
    else:
        return tl.where(y > 0, 1.0, 0.0)


@triton.jit
def softmax(y, columns, classes):
    """Return the softmax of each row over its first columns."""
    y = tl.where((columns < classes)[None, :], y, float("-inf"))
    e = tl.exp(y - tl.max(y, 1)[:, None])
    return e / tl.sum(e, 1)[:, None]


@triton.jit
def judge(logits, right, columns, classes, share):
    """Return the losses `(rows)` of logits, and the gradient of their sum times `share`.

    `right` is the class that is right in each row, or -1 where none is asked for.
    """
    inside = (columns < classes)[None, :]
    logits = tl.where(inside, logits, float("-inf"))
    top = tl.max(logits, 1)
    e = tl.exp(logits - top[:, None])
    total = tl.sum(e, 1)
    hit = right[:, None] == columns[None, :]
    at_right = tl.sum(tl.where(hit, logits, 0.0), 1)
    asked = right >= 0
    loss = tl.where(asked, top + tl.log(total) - at_right, 0.0)
    of_logits = (e / total[:, None] - tl.where(hit, 1.0, 0.0)) * share
    return loss * share, tl.where(asked[:, None] & inside, of_logits, 0.0)
