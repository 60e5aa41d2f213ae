"""Free running: greedy decoding, sampling and beam search."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnlab.inference.by_kernel import kernel_of, steps_by_kernel
from rnnlab.kernels.generation import Distribution
from rnnlab.models.base import Model
from rnnlab.models.feedback import feed, greedy
from rnnlab.spec import Batch, TaskSpec, Tokens
from rnnlab.state import map_state, where

Choose = Callable[[TaskSpec, Tensor], Tensor]
"""Function from the outputs of a step, `(B, V)` logits or `(B, O)`, to the answers to feed back."""


def reads_answers(model: Model) -> bool:
    """Whether free running differs from teacher forcing: the model reads its own answers."""
    return model.spec.feedback or model.reads_targets


@torch.no_grad()
def free_steps(
    model: Model, batch: Batch, choose: Choose = greedy
) -> Iterator[tuple[Tensor, Tensor]]:
    """Run the model freely over a batch, one step at a time.

    Where `batch.mask` is True at step t, the answer of step t is fed back in step t+1; elsewhere
    the model reads `batch.input`. Targets, and inputs that contain them, are never read.

    Yields:
        The output of each step, `(B, O)`, and the answer chosen from it, `(B,)` ids or `(B, O)`.
    """
    running = _by_kernel(model, batch, choose)
    if running is not None:
        yield from running
        return
    spec = model.spec
    state = model.begin(batch)
    answer: Tensor | None = None
    for t in range(batch.input.shape[1]):
        input = batch.input[:, t]
        if answer is not None and spec.feedback:
            input = where(batch.mask[:, t - 1], feed(spec, input, answer), input)
        output, state = model.step(input, state)
        answer = choose(spec, output)
        yield output, answer


def _by_kernel(
    model: Model, batch: Batch, choose: Choose
) -> Iterator[tuple[Tensor, Tensor]] | None:
    """Return what `free_steps` yields, computed by a kernel, or `None` if none can."""
    by, generator = None, None
    if isinstance(choose, Sampler):
        by, generator = Distribution(choose.divisor, choose.top_k, choose.top_p), choose.generator
        if generator.device.type != "cpu":
            return None
    elif choose is not greedy:
        return None
    running = kernel_of(model, batch)
    if running is None:
        return None
    assert isinstance(model.spec.target, Tokens)
    return steps_by_kernel(running, batch, model.spec.target.size, by, generator)


def free_run(model: Model, batch: Batch, choose: Choose = greedy) -> Tensor:
    """Return the outputs of `free_steps`, `(B, T, O)`."""
    return torch.stack([output for output, _ in free_steps(model, batch, choose)], dim=1)


def free_answers(model: Model, batch: Batch, choose: Choose = greedy) -> Tensor:
    """Return the answers of `free_steps`, `(B, T)` ids or `(B, T, O)`, without storing outputs."""
    return torch.stack([answer for _, answer in free_steps(model, batch, choose)], dim=1)


@dataclass(frozen=True)
class Sampler:
    """A function that samples answers from softmax(logits / temperature), truncated.

    Attributes:
        temperature: above 0; near 0 is greedy, 1 is the model's distribution.
        top_k: number of most probable tokens to sample from; `None` for all.
        top_p: above 0; sample from the smallest set of most probable tokens with at least this
            total probability, after `top_k` (nucleus sampling; Holtzman et al., 2020, section
            3.1); `None` for all.
        generator: the random generator.
    """

    temperature: float
    top_k: int | None
    top_p: float | None
    generator: torch.Generator

    def __call__(self, spec: TaskSpec, output: Tensor) -> Tensor:
        """Sample an answer `(B,)` to each row of logits `(B, V)`; numbers are their own answer."""
        if not isinstance(spec.target, Tokens):
            return output
        logits = output / self.divisor
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        probabilities = logits.softmax(-1)
        if self.top_p is not None:
            probabilities = _nucleus(probabilities, self.top_p)
        device = self.generator.device
        drawn = torch.multinomial(probabilities.to(device), 1, generator=self.generator)
        return drawn.squeeze(-1).to(output.device)

    @property
    def divisor(self) -> float:
        """The temperature, or the least that logits can be divided by without overflow."""
        return max(self.temperature, 1e-20)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Set to 0 all but the fewest most probable tokens that together reach `top_p`."""
    ordered, index = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered  # 0 for the most probable token, which always stays
    return torch.zeros_like(probabilities).scatter(-1, index, ordered.where(before < top_p, 0))


@torch.no_grad()
def beam_search(
    model: Model,
    batch: Batch,
    width: int,
    end: int | None,
    *,
    never: Sequence[int] = (),
    length_norm: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Search for probable answers with a beam of `width` partial answers.

    Graves (2012) and Sutskever et al. (2014), section 3.2; the score is the sum of
    log-probabilities, by default without length normalisation, which favours short answers.
    `width=1` is greedy decoding. A wider beam usually finds a more probable answer, but not always.

    Args:
        model: a model with token targets.
        batch: as for `free_steps`.
        width: W >= 1.
        end: the end-of-sequence token, or `None`.
        never: tokens that are no answers, such as padding.
        length_norm: partial answers are compared by their score divided by the number of their
            symbols, the end included, to the power of this; 0 compares the scores, 1 the means
            (Jean et al., 2015).

    Returns:
        The best answers `(B, T)`, and their log-probabilities `(B,)` in nats.
    """
    spec, rows = model.spec, batch.input.shape[0]
    plain = not never and not length_norm
    running = kernel_of(model, batch, width) if plain else None
    if running is not None:
        return running.search(width, end)
    state = map_state(lambda leaf: leaf.repeat_interleave(width, dim=0), model.begin(batch))
    inputs = batch.input.repeat_interleave(width, dim=0)  # (B W, T), as all that follow
    mask = batch.mask.repeat_interleave(width, dim=0)
    answers = torch.zeros_like(mask, dtype=torch.int64)
    scores = inputs.new_zeros(rows, width, dtype=torch.float32)
    scores[:, 1:] = -torch.inf  # all beams begin equal: only the first counts
    ended = mask.new_zeros(rows * width)
    lengths = torch.zeros_like(scores)  # (B, W)
    for t in range(inputs.shape[1]):
        input = inputs[:, t]
        if t and spec.feedback:
            input = where(mask[:, t - 1], feed(spec, input, answers[:, t - 1]), input)
        output, state = model.step(input, state)
        log_probs = output.float().log_softmax(-1)  # (B W, V)
        log_probs[:, list(never)] = -torch.inf
        chooses = mask[:, t] & ~ended  # other beams have one continuation, of probability 1
        forced = torch.full_like(log_probs, -torch.inf)
        forced[:, 0 if end is None else end] = 0.0
        log_probs = torch.where(chooses[:, None], log_probs, forced)
        vocab_size = log_probs.shape[1]
        lengths = lengths + chooses.view(rows, width)
        total = (scores.reshape(-1, 1) + log_probs).view(rows, -1)  # (B, W V)
        rank = total
        if length_norm:
            divisor = lengths.clamp(min=1) ** length_norm
            rank = total / divisor.repeat_interleave(vocab_size, dim=1)
        best = rank.topk(width, dim=1).indices  # (B, W)
        scores = total.gather(1, best)
        lengths = lengths.gather(1, best // vocab_size)
        first = torch.arange(rows, device=best.device)[:, None] * width
        parent = (first + best // vocab_size).flatten()  # (B W,)
        state = map_state(lambda leaf, parent=parent: leaf[parent], state)
        answers, ended = answers[parent], ended[parent]
        answers[:, t] = (best % vocab_size).flatten()
        if end is not None:
            ended = ended | (mask[:, t] & (answers[:, t] == end))
    best_beam = torch.arange(rows, device=answers.device) * width
    return answers[best_beam], scores[:, 0]
