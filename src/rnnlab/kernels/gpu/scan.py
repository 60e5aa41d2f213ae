"""Cells whose output is their hidden state: forward over all steps, and back.

Tensors are time-major, so that the state before each step is a matrix, and their sizes are those
of `Tensors`: P blocks of the input's weights, Q of the state's, G sums.
"""

import triton
import triton.language as tl

from rnnlab.kernels.gpu.blocks import (
    activate,
    dot,
    hyperbolic,
    judge,
    read,
    slope,
    weights,
    write,
)

ELMAN, GRU, LSTM = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
PIECE = tl.constexpr(32)  # columns of the weights that are read at once


@triton.jit
def _inputs(inputs, ids, at, r, c, B, H, P: tl.constexpr, block, inside):
    """Read what the inputs of a step add to a sum: rows of a table, or products made before."""
    if ids is not None:
        rows = tl.load(ids + at + r, mask=r < B, other=0)
        return read(inputs + block * H, rows, c, P * H, inside)
    else:
        return read(inputs + at * P * H + block * H, r, c, P * H, inside)


@triton.jit
def _pieces(left, stride, r, u, block, c, B, H, TRANSPOSED: tl.constexpr):
    """Multiply rows in memory with a block of the state's weights, some columns at a time."""
    total = tl.zeros((r.shape[0], c.shape[0]), tl.float32)
    for first in range(0, H, PIECE):
        k = first + tl.arange(0, PIECE)
        inside = (r < B)[:, None] & (k < H)[None, :]
        piece = weights(u + block * H * H, k, c, H, H, TRANSPOSED)
        total += dot(read(left, r, k, stride, inside), piece)
    return total


@triton.jit
def forward(
    inputs,  # (N, I, P H) a row for each id, or (N, T, B, P H) products
    ids,  # (N, T, B), or None
    state_weight,  # (N, Q H, H)
    bias,  # (N, G H)
    lengths,  # (N, B), real steps, or None
    hidden,  # (N, T + 1, B, H), the first is given
    memory,  # (N, T + 1, B, H), the first is given; of an LSTM
    activations,  # (N, T, B, G H): written for the backward pass; not of Elman
    T,
    B,
    I,
    H,
    CELL: tl.constexpr,
    F: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
    G: tl.constexpr,
    BB: tl.constexpr,
    HP: tl.constexpr,
    HELD: tl.constexpr,
):
    """Unroll. HELD: whether the weights stay with the program or are read again at each step."""
    n = tl.program_id(0).to(tl.int64)
    r = tl.program_id(1) * BB + tl.arange(0, BB)
    c, k = tl.arange(0, HP), tl.arange(0, HP)
    inside = (r < B)[:, None] & (c < H)[None, :]
    if ids is not None:
        inputs += n * I * P * H
        ids += n * T * B
    else:
        inputs += n * T * B * P * H
    u, b = state_weight + n * Q * H * H, bias + n * G * H
    hidden += n * (T + 1) * B * H
    h = read(hidden, r, c, H, inside)
    if CELL == LSTM:
        memory += n * (T + 1) * B * H
        m = read(memory, r, c, H, inside)
    if CELL != ELMAN:
        activations += n * T * B * G * H
    if lengths is not None:
        length = tl.load(lengths + n * B + r, mask=r < B, other=0)
    b0 = tl.load(b + c, mask=c < H, other=0.0)[None, :]
    if G > 1:
        b1 = tl.load(b + H + c, mask=c < H, other=0.0)[None, :]
        b2 = tl.load(b + 2 * H + c, mask=c < H, other=0.0)[None, :]
        b3 = tl.load(b + 3 * H + c, mask=c < H, other=0.0)[None, :]
    if HELD:
        u0 = weights(u, k, c, H, H, True)
        if Q > 1:
            u1 = weights(u + H * H, k, c, H, H, True)
            u2 = weights(u + 2 * H * H, k, c, H, H, True)
        if Q > 3:
            u3 = weights(u + 3 * H * H, k, c, H, H, True)
    for t in range(T):
        at = tl.cast(t, tl.int64) * B
        last = hidden + at * H
        if not HELD:
            tl.debug_barrier()
        s0 = (
            (dot(h, u0) if HELD else _pieces(last, H, r, u, 0, c, B, H, True))
            + b0
            + _inputs(inputs, ids, at, r, c, B, H, P, 0, inside)
        )
        if CELL == ELMAN:
            new = activate(s0, F)
        else:
            s1 = (
                (dot(h, u1) if HELD else _pieces(last, H, r, u, 1, c, B, H, True))
                + b1
                + _inputs(inputs, ids, at, r, c, B, H, P, 1, inside)
            )
            s0, s1 = tl.sigmoid(s0), tl.sigmoid(s1)
            s2 = _inputs(inputs, ids, at, r, c, B, H, P, 2, inside) + b2
            if CELL == GRU:
                s3 = (dot(h, u2) if HELD else _pieces(last, H, r, u, 2, c, B, H, True)) + b3
                s2 = hyperbolic(s2 + s0 * s3)
                new = s2 + s1 * (h - s2)
            else:
                s2 = hyperbolic(
                    s2 + (dot(h, u2) if HELD else _pieces(last, H, r, u, 2, c, B, H, True))
                )
                s3 = (
                    (dot(h, u3) if HELD else _pieces(last, H, r, u, 3, c, B, H, True))
                    + b3
                    + _inputs(inputs, ids, at, r, c, B, H, P, 3, inside)
                )
                s3 = tl.sigmoid(s3)
                kept = s1 * m + s0 * s2
                new = s3 * hyperbolic(kept)
                if lengths is not None:
                    kept = tl.where((t < length)[:, None], kept, m)
                m = kept
                write(memory + (at + B) * H, r, c, H, inside, m)
            to = activations + at * G * H
            write(to, r, c, G * H, inside, s0)
            write(to + H, r, c, G * H, inside, s1)
            write(to + 2 * H, r, c, G * H, inside, s2)
            write(to + 3 * H, r, c, G * H, inside, s3)
        if lengths is not None:
            new = tl.where((t < length)[:, None], new, h)
        h = tl.where(inside, new, 0.0)
        write(hidden + (at + B) * H, r, c, H, inside, h)


@triton.jit
def backward(
    state_weight,  # as in forward, and so on
    ids,
    lengths,
    hidden,
    memory,
    activations,
    slots,  # (T): which of the S wanted steps each is, or -1
    of_outputs,  # (N, S, B, H), or None
    of_last_hidden,  # (N, B, H), or None
    of_last_memory,  # (N, B, H), or None
    readout_weight,  # (N, O, H), or None
    readout_bias,  # (N, O)
    right,  # (N, S, B): the target, or -1
    shares,  # (N): the factor of each loss
    losses,  # (N, blocks): written
    of_logits,  # (N, S, B, O): written; not with SUMMED
    of_sums,  # (N, T, B, G H): written; not with SUMMED
    of_hidden,  # (N, B, H), before the first step: written, and the next
    of_memory,  # (N, B, H)
    of_state_weight,  # (N, blocks, H, H): written with SUMMED, and the next
    of_table,  # (N, blocks, H, I)
    of_bias,  # (N, blocks, H)
    of_readout_weight,  # (N, blocks, O, H)
    of_readout_bias,  # (N, blocks, O)
    T,
    B,
    I,
    H,
    S,
    O,
    CELL: tl.constexpr,
    F: tl.constexpr,
    Q: tl.constexpr,
    G: tl.constexpr,
    BB: tl.constexpr,
    HP: tl.constexpr,
    IP: tl.constexpr,
    OP: tl.constexpr,
    HELD: tl.constexpr,
    SUMMED: tl.constexpr,
):
    """Compute the gradients of all sums; those of weights are products of these.

    With a readout, those of the outputs are computed here too. With SUMMED, of small Elman networks
    that read ids, the products are added up here, and nothing of the size of a step is written.
    """
    n = tl.program_id(0).to(tl.int64)
    r = tl.program_id(1) * BB + tl.arange(0, BB)
    c, k = tl.arange(0, HP), tl.arange(0, HP)
    inside = (r < B)[:, None] & (c < H)[None, :]
    u = state_weight + n * Q * H * H
    hidden += n * (T + 1) * B * H
    of_sums += n * T * B * G * H
    d = tl.zeros((BB, HP), tl.float32)
    if of_last_hidden is not None:
        d = read(of_last_hidden + n * B * H, r, c, H, inside)
    if CELL == LSTM:
        memory += n * (T + 1) * B * H
        e = tl.zeros((BB, HP), tl.float32)
        if of_last_memory is not None:
            e = read(of_last_memory + n * B * H, r, c, H, inside)
    if CELL != ELMAN:
        activations += n * T * B * G * H
    if lengths is not None:
        length = tl.load(lengths + n * B + r, mask=r < B, other=0)
    if of_outputs is not None:
        of_outputs += n * S * B * H
    if readout_weight is not None:
        o = tl.arange(0, OP)
        answers = (r < B)[:, None] & (o < O)[None, :]
        speak = weights(readout_weight + n * O * H, k, o, O, H, True)
        back = weights(readout_weight + n * O * H, o, c, O, H, False)
        read_bias = tl.load(readout_bias + n * O + o, mask=o < O, other=0.0)[None, :]
        share = tl.load(shares + n)
        loss = tl.zeros((BB,), tl.float32)
        right += n * S * B
        of_logits += n * S * B * O
    if SUMMED:
        i = tl.arange(0, IP)
        ids += n * T * B
        of_b = tl.zeros((BB, HP), tl.float32)  # summed over rows at the end
        of_w, of_u = tl.zeros((HP, IP), tl.float32), tl.zeros((HP, HP), tl.float32)
        if readout_weight is not None:
            spoken, spoken_bias = tl.zeros((OP, HP), tl.float32), tl.zeros((BB, OP), tl.float32)
    if HELD:
        u0 = weights(u, k, c, H, H, False)
        if Q > 1:
            u1 = weights(u + H * H, k, c, H, H, False)
            u2 = weights(u + 2 * H * H, k, c, H, H, False)
        if Q > 3:
            u3 = weights(u + 3 * H * H, k, c, H, H, False)
    end = tl.cast(T, tl.int64) * B * H
    h = read(hidden + end, r, c, H, inside)
    if CELL == LSTM:
        m = read(memory + end, r, c, H, inside)
    for past in range(T):
        t = T - 1 - past
        at = tl.cast(t, tl.int64) * B
        arriving = d
        slot = tl.load(slots + t).to(tl.int64)
        if slot >= 0:
            if of_outputs is not None:
                arriving += read(of_outputs + slot * B * H, r, c, H, inside)
            if readout_weight is not None:
                wanted = tl.load(right + slot * B + r, mask=r < B, other=-1)
                one, q = judge(dot(h, speak) + read_bias, wanted, o, O, share)
                loss += one
                if SUMMED:
                    spoken += dot(tl.trans(q), h)
                    spoken_bias += q
                else:
                    write(of_logits + slot * B * O, r, o, O, answers, q)
                arriving += dot(q, back)
        before = read(hidden + at * H, r, c, H, inside)
        to = of_sums + at * G * H
        if CELL == ELMAN:
            g0 = arriving * slope(h, F)
            if lengths is not None:
                g0 = tl.where((t < length)[:, None], g0, 0.0)
            if SUMMED:
                id = tl.load(ids + at + r, mask=r < B, other=-1)
                across = tl.trans(g0)
                of_b += g0
                of_w += dot(across, tl.where(id[:, None] == i[None, :], 1.0, 0.0))
                of_u += dot(across, before)
            else:
                write(to, r, c, G * H, inside, g0)
            if not HELD:
                tl.debug_barrier()
            down = dot(g0, u0) if HELD else _pieces(to, G * H, r, u, 0, c, B, H, False)
        else:
            acts = activations + at * G * H
            s0 = read(acts, r, c, G * H, inside)
            s1 = read(acts + H, r, c, G * H, inside)
            s2 = read(acts + 2 * H, r, c, G * H, inside)
            s3 = read(acts + 3 * H, r, c, G * H, inside)
            if CELL == GRU:
                direct = arriving * s1
                g2 = (arriving - direct) * (1 - s2 * s2)
                g0 = g2 * s3 * s0 * (1 - s0)
                g1 = arriving * (before - s2) * s1 * (1 - s1)
                g3 = g2 * s0
            else:
                was = read(memory + at * H, r, c, H, inside)
                squashed = hyperbolic(m)
                of_m = e + arriving * s3 * (1 - squashed * squashed)
                g0 = of_m * s2 * s0 * (1 - s0)
                g1 = of_m * was * s1 * (1 - s1)
                g2 = of_m * s0 * (1 - s2 * s2)
                g3 = arriving * squashed * s3 * (1 - s3)
                kept = of_m * s1
                if lengths is not None:
                    kept = tl.where((t < length)[:, None], kept, e)
                e = kept
                m = was
            if lengths is not None:
                real = (t < length)[:, None]
                g0, g1 = tl.where(real, g0, 0.0), tl.where(real, g1, 0.0)
                g2, g3 = tl.where(real, g2, 0.0), tl.where(real, g3, 0.0)
            write(to, r, c, G * H, inside, g0)
            write(to + H, r, c, G * H, inside, g1)
            write(to + 2 * H, r, c, G * H, inside, g2)
            write(to + 3 * H, r, c, G * H, inside, g3)
            if not HELD:
                tl.debug_barrier()
            down = dot(g0, u0) if HELD else _pieces(to, G * H, r, u, 0, c, B, H, False)
            down += dot(g1, u1) if HELD else _pieces(to + H, G * H, r, u, 1, c, B, H, False)
            if CELL == GRU:
                down += direct
                down += dot(g3, u2) if HELD else _pieces(to + 3 * H, G * H, r, u, 2, c, B, H, False)
            else:
                down += dot(g2, u2) if HELD else _pieces(to + 2 * H, G * H, r, u, 2, c, B, H, False)
                down += dot(g3, u3) if HELD else _pieces(to + 3 * H, G * H, r, u, 3, c, B, H, False)
        if lengths is not None:
            down = tl.where((t < length)[:, None], down, d)
        d = down
        h = before
    write(of_hidden + n * B * H, r, c, H, inside, d)
    if CELL == LSTM:
        write(of_memory + n * B * H, r, c, H, inside, e)
    block = n * tl.num_programs(1) + tl.program_id(1)
    if readout_weight is not None:
        tl.store(losses + block, tl.sum(loss, 0))
    if SUMMED:
        cells = (k < H)[:, None] & (c < H)[None, :]
        entries = (k < H)[:, None] & (i < I)[None, :]
        tl.store(of_bias + block * H + c, tl.sum(of_b, 0), mask=c < H)
        write(of_table + block * H * I, k, i, I, entries, of_w)
        write(of_state_weight + block * H * H, k, c, H, cells, of_u)
        if readout_weight is not None:
            words = (o < O)[:, None] & (c < H)[None, :]
            write(of_readout_weight + block * O * H, o, c, H, words, spoken)
            tl.store(of_readout_bias + block * O + o, tl.sum(spoken_bias, 0), mask=o < O)
