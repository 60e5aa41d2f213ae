"""Free running by a kernel: layers of cells and a readout of tokens, many steps in one call."""

import weakref
from collections.abc import Sequence
from ctypes import Array, byref, c_int64, c_void_p
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.kernels.library import Struct, cpp_function, struct_fields


class Layer(NamedTuple):
    """One layer.

    Attributes:
        cell: its index in `SCAN_CELLS`.
        input_weight: `(P H, I)`.
        state_weight: `(Q H, H)`.
        bias: `(G H)`.
        hidden: `(B, H)`, before step 0.
        memory: `(B, H)`, a memory cell before step 0, or `(B, 0)`.
    """

    cell: int
    input_weight: Tensor
    state_weight: Tensor
    bias: Tensor
    hidden: Tensor
    memory: Tensor


class Distribution(NamedTuple):
    """The distribution of answers, softmax(logits / temperature), truncated.

    Attributes:
        temperature: above 0.
        top_k: number of most probable tokens, or None for all.
        top_p: probability that the fewest most probable tokens reach, or None for all.
    """

    temperature: float
    top_k: int | None
    top_p: float | None


class NotFinite(Exception):
    """Logits that a token should be drawn from are NaN or infinite."""


class Generation:
    """Free running of one batch, from its initial state.

    Args:
        layers: lowest first.
        vectors: `(V, I)`, the vector that the lowest layer reads for each token; None for one-hot.
        weight: of the readout, `(O, H)`.
        bias: of the readout, `(O)`.
        inputs: `(B, T)` token ids below V.
        mask: `(B, T)`, True where an answer is asked for, which the next step reads.

    Raises:
        MemoryError: the net or the batch is too large.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        vectors: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        inputs: Tensor,
        mask: Tensor,
    ) -> None:
        self._inputs, self._mask = inputs.contiguous(), mask.contiguous()
        self._rows, self._classes = len(inputs), len(bias)
        table = layers[0].input_weight.t()
        table = (table if vectors is None else vectors @ table).contiguous()
        weight, bias = weight.contiguous(), bias.contiguous()
        layers = [Layer(layer[0], *(part.contiguous() for part in layer[1:])) for layer in layers]
        net = _Net(
            layers=len(layers),
            tokens=len(table),
            classes=self._classes,
            table=table,
            weight=weight,
            bias=bias,
        )
        described = (_Layer * len(layers))(*map(_described, layers))
        self._runner = cpp_function("rnnlab_generation", result=c_void_p)(byref(net), described)
        if self._runner is None:
            raise MemoryError("the net is too large for the memory of this machine")
        weakref.finalize(
            self, cpp_function("rnnlab_generation_end", result=None), c_void_p(self._runner)
        )
        states = [_addresses([getattr(layer, n) for layer in layers]) for n in ("hidden", "memory")]
        begin = cpp_function("rnnlab_generation_begin")
        _check(begin(c_void_p(self._runner), c_int64(self._rows), *states))

    def run(
        self, first: int, steps: int, by: Distribution | None = None, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run some steps; each call goes on where the last one ended.

        Args:
            first: the step to go on with.
            steps: how many.
            by: the distribution that answers are drawn from; None takes the likeliest.
            noise: `(steps, B, O)` exponentially distributed numbers q, by which a token is drawn as
                argmax p / q; None where none is drawn.

        Returns:
            Logits `(steps, B, O)` and answers `(steps, B)`.

        Raises:
            NotFinite: there are no probabilities to draw from.
        """
        shape = (steps, self._rows)
        logits = torch.empty(*shape, self._classes)
        answers = torch.empty(shape, dtype=torch.int64)
        call = _Steps(
            rows=self._rows,
            length=self._inputs.shape[1],
            steps=steps,
            first=first,
            top_k=0 if by is None else by.top_k or 0,
            temperature=0.0 if by is None else by.temperature,
            top_p=0.0 if by is None else by.top_p or 0.0,
            inputs=self._inputs,
            mask=self._mask,
            noise=noise,
            outputs=logits,
            answers=answers,
        )
        done = cpp_function("rnnlab_generation_run", result=c_int64)(
            c_void_p(self._runner), byref(call)
        )
        _check(done)
        if done == 1:
            raise NotFinite
        return logits, answers

    def search(self, width: int, end: int | None) -> tuple[Tensor, Tensor]:
        """Search with a beam; every `width` rows, which are equal, are the beams of a sequence.

        Args:
            width: of the beam.
            end: the end-of-sequence token, or None.

        Returns:
            The best answers `(B / width, T)`, and their log-probabilities.
        """
        sequences, length = self._rows // width, self._inputs.shape[1]
        answers = torch.empty(sequences, length, dtype=torch.int64)
        scores = torch.empty(sequences)
        inputs, mask = (part[::width].contiguous() for part in (self._inputs, self._mask))
        call = _Search(
            rows=sequences,
            length=length,
            width=width,
            end=-1 if end is None else end,
            inputs=inputs,
            mask=mask,
            answers=answers,
            scores=scores,
        )
        _check(cpp_function("rnnlab_generation_search")(c_void_p(self._runner), byref(call)))
        return answers, scores


class _Layer(Struct):
    """`Layer` in generate.cpp."""

    _fields_ = struct_fields("cell inputs size", "", "input_weight state_weight bias")


class _Net(Struct):
    """`Net` in generate.cpp."""

    _fields_ = struct_fields("layers tokens classes", "", "table weight bias")


class _Steps(Struct):
    """`Steps` in generate.cpp."""

    _fields_ = struct_fields(
        "rows length steps first top_k",
        "temperature top_p",
        "inputs mask noise outputs answers",
    )


class _Search(Struct):
    """`Search` in generate.cpp."""

    _fields_ = struct_fields("rows length width end", "", "inputs mask answers scores")


def _described(layer: Layer) -> _Layer:
    return _Layer(
        cell=layer.cell,
        inputs=layer.input_weight.shape[1],
        size=layer.state_weight.shape[1],
        input_weight=layer.input_weight,
        state_weight=layer.state_weight,
        bias=layer.bias,
    )


def _addresses(tensors: Sequence[Tensor]) -> Array[c_void_p]:
    return (c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _check(done: int) -> None:
    if not done:
        raise MemoryError("the batch is too large for the memory of this machine")
