"""The networks of the benchmark as one writes them in plain PyTorch and in plain JAX.

They read the same one-hot symbols and answer with logits: what rnnlab's models of one layer are
compared with. JAX is optional.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.spec import map_batch

TAPS = 8


class Recurrent(nn.Module):
    """torch's module of one layer, and a linear readout."""

    def __init__(self, module: type[nn.Module], symbols: int, hidden_size: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.cell = module(symbols, hidden_size, batch_first=True)
        self.readout = nn.Linear(hidden_size, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits `(B, T, V)` of symbols `(B, T)`."""
        return self.readout(self.cell(F.one_hot(ids, self.symbols).float())[0])


class Jordan(nn.Module):
    """A loop that feeds the softmax of the answer back."""

    def __init__(self, symbols: int, hidden_size: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.read = nn.Linear(symbols, hidden_size)
        self.feed = nn.Linear(symbols, hidden_size, bias=False)
        self.readout = nn.Linear(hidden_size, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits `(B, T, V)` of symbols `(B, T)`."""
        read = self.read(F.one_hot(ids, self.symbols).float())
        context = read.new_zeros(len(ids), self.symbols)
        answers = []
        for step in read.unbind(1):
            answers.append(self.readout(torch.tanh(step + self.feed(context))))
            context = 0.5 * context + answers[-1].softmax(1)
        return torch.stack(answers, dim=1)


class Windows(nn.Module):
    """A hidden layer over the last symbols."""

    def __init__(self, symbols: int, hidden_size: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.hidden = nn.Linear(TAPS * symbols, hidden_size)
        self.readout = nn.Linear(hidden_size, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits `(B, T, V)` of symbols `(B, T)`."""
        vectors = F.pad(F.one_hot(ids, self.symbols).float(), (0, 0, TAPS - 1, 0))
        windows = vectors.unfold(1, TAPS, 1).flatten(2)
        return self.readout(torch.tanh(self.hidden(windows)))


def torch_model(name: str, symbols: int, hidden_size: int) -> nn.Module:
    """Return the network of one of rnnlab's names."""
    modules = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
    if name in modules:
        return Recurrent(modules[name], symbols, hidden_size)
    return (Jordan if name == "jordan" else Windows)(symbols, hidden_size)


def torch_update(
    name: str, symbols: int, hidden_size: int, device: str = "cpu"
) -> Callable[[Any], None]:
    """Return an update: loss, gradients, clipping, Adam."""
    model = torch_model(name, symbols, hidden_size).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def update(batch: Any) -> None:
        optimizer.zero_grad()
        batch = map_batch(lambda part: part.to(device), batch)
        target = batch.target.masked_fill(~batch.mask, -100)
        F.cross_entropy(model(batch.input).flatten(0, 1), target.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return update


def jax_update(
    name: str, symbols: int, hidden_size: int, members: int | None = None
) -> Callable[[Any], None] | None:
    """Return the same update as one jitted function over a scan, or `None` without JAX.

    With members it is one of as many nets by `vmap`, and their batches `(N, B, T)` stay on the
    device from the first call on. The results are not waited for.
    """
    one_thread = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.setdefault("XLA_FLAGS", one_thread)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return None

    H, V = hidden_size, symbols
    blocks = {"gru": 3, "lstm": 4}.get(name, 1)
    fed = V if name == "jordan" else H
    key = jax.random.PRNGKey(0)
    shapes = {
        "W": (TAPS * V if name == "ar_ffn" else V, blocks * H),
        "U": (fed, blocks * H),
        "b": (blocks * H,),
        "c": (H,),
        "V": (H, V),
        "d": (V,),
    }
    parameters = {n: 0.1 * jax.random.normal(key, shape) for n, shape in shapes.items()}

    def step(p: Any, state: Any, read: Any) -> Any:
        if name == "elman":
            h = jnp.tanh(read + state @ p["U"])
            return h, h
        if name == "gru":
            r, z, n = jnp.split(read, 3, axis=1)
            ur, uz, un = jnp.split(state @ p["U"], 3, axis=1)
            n = jnp.tanh(n + jax.nn.sigmoid(r + ur) * (un + p["c"]))
            z = jax.nn.sigmoid(z + uz)
            h = n + z * (state - n)
            return h, h
        if name == "lstm":
            h, c = state
            i, f, g, o = jnp.split(read + h @ p["U"], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h
        context, answer = state
        context = 0.5 * context + answer
        y = jnp.tanh(read + context @ p["U"]) @ p["V"] + p["d"]
        return (context, jax.nn.softmax(y)), y

    def logits(p: Any, ids: Any) -> Any:
        batch = ids.shape[0]
        if name == "ar_ffn":
            vectors = jnp.pad(jax.nn.one_hot(ids, V), ((0, 0), (TAPS - 1, 0), (0, 0)))
            windows = [vectors[:, k : k + ids.shape[1]] for k in range(TAPS)]
            return jnp.tanh(jnp.concatenate(windows, axis=2) @ p["W"] + p["b"]) @ p["V"] + p["d"]
        read = p["W"][ids.T] + p["b"]
        zeros = jnp.zeros((batch, fed))
        start = (zeros, zeros) if name in ("lstm", "jordan") else zeros
        _, outputs = jax.lax.scan(lambda s, x: step(p, s, x), start, read)
        outputs = outputs if name == "jordan" else outputs @ p["V"] + p["d"]
        return outputs.swapaxes(0, 1)

    def loss(p: Any, ids: Any, target: Any, mask: Any) -> Any:
        chosen = jax.nn.log_softmax(logits(p, ids))
        chosen = jnp.take_along_axis(chosen, target[..., None], axis=2)[..., 0]
        return -(chosen * mask).sum() / mask.sum()

    def update(p: Any, m: Any, v: Any, t: Any, ids: Any, target: Any, mask: Any) -> Any:
        grads = jax.grad(loss)(p, ids, target, mask)
        norm = jnp.sqrt(sum((g**2).sum() for g in grads.values()))
        grads = {n: g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)) for n, g in grads.items()}
        m = {n: 0.9 * m[n] + 0.1 * g for n, g in grads.items()}
        v = {n: 0.999 * v[n] + 0.001 * g**2 for n, g in grads.items()}
        p = {
            n: x - 1e-3 * m[n] / (1 - 0.9**t) / (jnp.sqrt(v[n] / (1 - 0.999**t)) + 1e-8)
            for n, x in p.items()
        }
        return p, m, v

    if members is not None:
        update = jax.vmap(update, in_axes=(0, 0, 0, None, 0, 0, 0))
        parameters = {n: jnp.broadcast_to(x, (members, *x.shape)) for n, x in parameters.items()}
    update = jax.jit(update)
    zeros = {n: jnp.zeros_like(x) for n, x in parameters.items()}
    state = [parameters, zeros, dict(zeros), 0.0]
    held: list[Any] = []

    def run(batch: Any) -> None:
        state[3] += 1.0
        parts = held or [jnp.asarray(p.numpy()) for p in (batch.input, batch.target, batch.mask)]
        state[:3] = update(*state[:3], state[3], *parts)
        if members is None:
            jax.block_until_ready(state[0])
        else:
            held[:] = parts

    run.wait = lambda: jax.block_until_ready(state[0])  # type: ignore[attr-defined]
    return run
