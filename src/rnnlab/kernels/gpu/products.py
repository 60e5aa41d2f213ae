"""The gradients of weights: products of two sequences of rows, summed over all rows."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from rnnlab.kernels.gpu.blocks import dot

_PROGRAMS = 512  # that keep a GPU busy


@triton.jit
def _products(
    left,  # (N, K, L)
    numbers,  # (N, K, R), or None
    ids,  # (N, K): rows that are one-hot, or None
    of_numbers,  # (N, parts, L, R): written, or None
    of_ids,  # (N, parts, L, I): written, or None
    sums,  # (N, parts, L): written
    K,
    L,
    R,
    I,
    left_stride,
    left_row,
    numbers_stride,
    share,  # rows of a program
    blocks,  # of numbers' columns
    parts,
    KB: tl.constexpr,
    LB: tl.constexpr,
    RB: tl.constexpr,
):
    n, part = (tl.program_id(2) // parts).to(tl.int64), tl.program_id(2) % parts
    l = tl.program_id(1) * LB + tl.arange(0, LB)
    block = tl.program_id(0)
    left += n * left_stride
    first, last = part * share, tl.minimum((part + 1) * share, K)
    acc = tl.zeros((LB, RB), tl.float32)
    sum = tl.zeros((LB,), tl.float32)
    is_numbers = block < blocks
    c = tl.where(is_numbers, block, block - blocks) * RB + tl.arange(0, RB)
    for start in range(first, last, KB):
        k = start + tl.arange(0, KB)
        inside = (l < L)[:, None] & (k < last)[None, :]
        a = tl.load(left + k[None, :] * left_row + l[:, None], mask=inside, other=0.0)
        sum += tl.sum(a, 1)
        if numbers is not None:
            if is_numbers:
                within = (k < last)[:, None] & (c < R)[None, :]
                at = numbers + n * numbers_stride + k[:, None] * R + c[None, :]
                acc += dot(a, tl.load(at, mask=within, other=0.0))
        if ids is not None:
            if not is_numbers:
                id = tl.load(ids + n * K + k, mask=k < last, other=-1)
                acc += dot(a, tl.where(id[:, None] == c[None, :], 1.0, 0.0))
    row = (n * parts + part) * L + l
    if block == 0:
        tl.store(sums + row, sum, mask=l < L)
    if numbers is not None:
        if is_numbers:
            cells = (l < L)[:, None] & (c < R)[None, :]
            tl.store(of_numbers + row[:, None] * R + c[None, :], acc, mask=cells)
    if ids is not None:
        if not is_numbers:
            cells = (l < L)[:, None] & (c < I)[None, :]
            tl.store(of_ids + row[:, None] * I + c[None, :], acc, mask=cells)


def products(
    left: Tensor, numbers: Tensor | None = None, ids: Tensor | None = None, classes: int = 0
) -> tuple[Tensor | None, Tensor | None, Tensor]:
    """Multiply the transpose of `left` by numbers and by one-hot rows, for each member.

    The order of all sums is fixed, so that the same call gives the same bits.

    Args:
        left: `(N, K, L)`.
        numbers: `(N, K, R)`; the rows of a member are contiguous.
        ids: `(N, K)`, the classes of one-hot rows.
        classes: I, how many there are.

    Returns:
        `(N, L, R)`, `(N, L, I)` and the sums of `left`, `(N, L)`.
    """
    members, rows, columns = left.shape
    width = 0 if numbers is None else numbers.shape[2]
    lb, rb, kb = _block(columns), _block(max(width, classes)), 32
    blocks, blocks_ids = triton.cdiv(width, rb), triton.cdiv(classes, rb)
    tiles = max(1, blocks + blocks_ids) * triton.cdiv(columns, lb)
    parts = max(1, min(_PROGRAMS // (members * tiles), rows // (4 * kb)))
    share = max(1, triton.cdiv(triton.cdiv(rows, parts), kb)) * kb
    parts = max(1, triton.cdiv(rows, share))
    of_numbers = None if numbers is None else left.new_empty(members, parts, columns, width)
    of_ids = None if ids is None else left.new_empty(members, parts, columns, classes)
    sums = left.new_empty(members, parts, columns)
    grid = (max(1, blocks + blocks_ids), triton.cdiv(columns, lb), members * parts)
    _products[grid](
        left,
        numbers,
        ids,
        of_numbers,
        of_ids,
        sums,
        rows,
        columns,
        width,
        classes,
        left.stride(0),
        left.stride(1),
        0 if numbers is None else numbers.stride(0),
        share,
        blocks,
        parts,
        KB=kb,
        LB=lb,
        RB=rb,
    )
    return _total(of_numbers), _total(of_ids), sums.sum(1)


def _block(size: int) -> int:
    return min(64, max(16, triton.next_power_of_2(size)))


def _total(parts: Tensor | None) -> Tensor | None:
    if parts is None:
        return None
    return parts[:, 0] if parts.shape[1] == 1 else torch.sum(parts, 1)
