"""Jordan networks with one hidden layer: forward over all steps, and back. Time-major, as scan.py.

    c_t = decay * c_{t-1} + y_{t-1};  a_t = f(W x_t + U c_t + b);  y_t = V a_t + d

With SQUASHED softmax(y) is fed back; with TAUGHT the target is, where it is given.
"""

import triton
import triton.language as tl

from rnnlab.kernels.gpu.blocks import activate, dot, judge, read, slope, softmax, weights, write


@triton.jit
def forward(
    inputs,  # (N, I, H) a row for each id, or (N, T, B, H) products
    ids,  # (N, T, B), or None
    targets,  # (N, T, B, 2 O): targets and where they are fed back; with TAUGHT
    state_weight,  # (N, H, O)
    bias,  # (N, H)
    readout_weight,  # (N, O, H)
    readout_bias,  # (N, O)
    lengths,  # (N, B), real steps, or None
    first,  # (N, B, O): fed back before the first step
    first_context,  # (N, B, O)
    contexts,  # (N, T, B, O): written, and the next
    activations,  # (N, T, B, H)
    outputs,  # (N, T, B, O)
    last,  # (N, B, O)
    last_context,  # (N, B, O)
    decay,
    T,
    B,
    I,
    H,
    O,
    F: tl.constexpr,
    SQUASHED: tl.constexpr,
    TAUGHT: tl.constexpr,
    BB: tl.constexpr,
    HP: tl.constexpr,
    OP: tl.constexpr,
):
    """Unroll."""
    n = tl.program_id(0).to(tl.int64)
    r = tl.program_id(1) * BB + tl.arange(0, BB)
    c, o = tl.arange(0, HP), tl.arange(0, OP)
    inside = (r < B)[:, None] & (c < H)[None, :]
    spoken = (r < B)[:, None] & (o < O)[None, :]
    if ids is not None:
        inputs += n * I * H
        ids += n * T * B
    else:
        inputs += n * T * B * H
    u = weights(state_weight + n * H * O, o, c, H, O, True)
    v = weights(readout_weight + n * O * H, c, o, O, H, True)
    b = tl.load(bias + n * H + c, mask=c < H, other=0.0)[None, :]
    d = tl.load(readout_bias + n * O + o, mask=o < O, other=0.0)[None, :]
    if lengths is not None:
        length = tl.load(lengths + n * B + r, mask=r < B, other=0)
    contexts += n * T * B * O
    activations += n * T * B * H
    outputs += n * T * B * O
    if TAUGHT:
        targets += n * T * B * 2 * O
    fed = read(first + n * B * O, r, o, O, spoken)
    context = read(first_context + n * B * O, r, o, O, spoken)
    for t in range(T):
        at = tl.cast(t, tl.int64) * B
        previous = fed
        if TAUGHT:
            target = read(targets + at * 2 * O, r, o, 2 * O, spoken)
            forced = read(targets + at * 2 * O + O, r, o, 2 * O, spoken)
            previous = tl.where(forced > 0, target, previous)
        now = decay * context + previous
        if ids is not None:
            rows = tl.load(ids + at + r, mask=r < B, other=0)
            s = read(inputs, rows, c, H, inside)
        else:
            s = read(inputs + at * H, r, c, H, inside)
        a = tl.where(inside, activate(dot(now, u) + b + s, F), 0.0)
        y = dot(a, v) + d
        write(contexts + at * O, r, o, O, spoken, now)
        write(activations + at * H, r, c, H, inside, a)
        write(outputs + at * O, r, o, O, spoken, y)
        after = y
        if SQUASHED:
            after = softmax(y, o, O)
        after = tl.where(spoken, after, 0.0)
        if lengths is not None:
            real = (t < length)[:, None]
            now, after = tl.where(real, now, context), tl.where(real, after, fed)
        context, fed = now, after
    write(last + n * B * O, r, o, O, spoken, fed)
    write(last_context + n * B * O, r, o, O, spoken, context)


@triton.jit
def backward(
    targets,  # as in forward, and so on
    state_weight,
    readout_weight,
    lengths,
    activations,
    outputs,
    slots,  # (T): which of the S wanted steps each is, or -1
    of_outputs,  # (N, S, B, O), or None
    of_last,  # (N, B, O), or None
    of_last_context,  # (N, B, O), or None
    right,  # (N, S, B): the target, or -1; or None
    shares,  # (N): the factor of each loss
    losses,  # (N, blocks): written, and the next
    of_answers,  # (N, T, B, O)
    of_sums,  # (N, T, B, H)
    of_targets,  # (N, T, B, O), or None
    of_first,  # (N, B, O)
    of_first_context,  # (N, B, O)
    decay,
    T,
    B,
    H,
    O,
    S,
    F: tl.constexpr,
    SQUASHED: tl.constexpr,
    TAUGHT: tl.constexpr,
    BB: tl.constexpr,
    HP: tl.constexpr,
    OP: tl.constexpr,
):
    """Compute the gradients of the outputs and of the hidden layer's sums."""
    n = tl.program_id(0).to(tl.int64)
    r = tl.program_id(1) * BB + tl.arange(0, BB)
    c, o = tl.arange(0, HP), tl.arange(0, OP)
    inside = (r < B)[:, None] & (c < H)[None, :]
    spoken = (r < B)[:, None] & (o < O)[None, :]
    u = weights(state_weight + n * H * O, c, o, H, O, False)
    v = weights(readout_weight + n * O * H, o, c, O, H, False)
    if lengths is not None:
        length = tl.load(lengths + n * B + r, mask=r < B, other=0)
    activations += n * T * B * H
    outputs += n * T * B * O
    of_answers += n * T * B * O
    of_sums += n * T * B * H
    if TAUGHT:
        targets += n * T * B * 2 * O
    if of_targets is not None:
        of_targets += n * T * B * O
    if of_outputs is not None:
        of_outputs += n * S * B * O
    if right is not None:
        right += n * S * B
        share = tl.load(shares + n)
        loss = tl.zeros((BB,), tl.float32)
    of_fed = tl.zeros((BB, OP), tl.float32)
    if of_last is not None:
        of_fed = read(of_last + n * B * O, r, o, O, spoken)
    of_context = tl.zeros((BB, OP), tl.float32)
    if of_last_context is not None:
        of_context = read(of_last_context + n * B * O, r, o, O, spoken)
    for past in range(T):
        t = T - 1 - past
        at = tl.cast(t, tl.int64) * B
        y = read(outputs + at * O, r, o, O, spoken)
        q = of_fed
        if SQUASHED:
            p = softmax(y, o, O)
            q = p * (of_fed - tl.sum(of_fed * p, 1)[:, None])
        slot = tl.load(slots + t).to(tl.int64)
        if slot >= 0:
            if of_outputs is not None:
                q += read(of_outputs + slot * B * O, r, o, O, spoken)
            if right is not None:
                wanted = tl.load(right + slot * B + r, mask=r < B, other=-1)
                one, of_logits = judge(y, wanted, o, O, share)
                loss += one
                q += of_logits
        if lengths is not None:
            q = tl.where((t < length)[:, None], q, 0.0)
        a = read(activations + at * H, r, c, H, inside)
        g = dot(q, v) * slope(a, F)
        write(of_answers + at * O, r, o, O, spoken, q)
        write(of_sums + at * H, r, c, H, inside, g)
        of_now = of_context + dot(g, u)
        of_previous = of_now
        if TAUGHT:
            forced = read(targets + at * 2 * O + O, r, o, 2 * O, spoken)
            of_previous = tl.where(forced > 0, 0.0, of_now)
            if of_targets is not None:
                of_target = tl.where(forced > 0, of_now, 0.0)
                if lengths is not None:
                    of_target = tl.where((t < length)[:, None], of_target, 0.0)
                write(of_targets + at * O, r, o, O, spoken, of_target)
        of_before = decay * of_now
        if lengths is not None:
            real = (t < length)[:, None]
            of_previous = tl.where(real, of_previous, of_fed)
            of_before = tl.where(real, of_before, of_context)
        of_fed, of_context = of_previous, of_before
    write(of_first + n * B * O, r, o, O, spoken, of_fed)
    write(of_first_context + n * B * O, r, o, O, spoken, of_context)
    if right is not None:
        tl.store(losses + n * tl.num_programs(1) + tl.program_id(1), tl.sum(loss, 0))
