"""Free running: a model goes on from its own answers, chosen greedily, by chance or by beams."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rnnlab.models.base import Model
from rnnlab.models.feedback import feed, greedy, keep
from rnnlab.spec import Batch, TaskSpec, Tokens
from rnnlab.state import map_state

Choose = Callable[[TaskSpec, Tensor], Tensor]
"""From the outputs of one step, `(B, V)` logits or `(B, O)` numbers, to the answers fed back."""


def reads_answers(model: Model) -> bool:
    """Whether the model reads its own answers when it runs free, so that they may go astray."""
    return model.spec.feedback or model.reads_targets


@torch.no_grad()
def free_steps(
    model: Model, batch: Batch, choose: Choose = greedy
) -> Iterator[tuple[Tensor, Tensor]]:
    """Answer `batch` step by step from the model's own earlier answers.

    Where `batch.mask` is True at step t, the answer of step t is fed back in step t+1; elsewhere
    the batch's input is read. No target is read, nor any input that holds one.

    Yields:
        The output of each step, `(B, O)`, and the answer chosen from it, `(B,)` ids or `(B, O)`.
    """
    spec = model.spec
    state = model.begin(batch)
    answer: Tensor | None = None
    for t in range(batch.input.shape[1]):
        input = batch.input[:, t]
        if answer is not None and spec.feedback:
            input = keep(~batch.mask[:, t - 1], input, feed(spec, input, answer))
        output, state = model.step(input, state)
        answer = choose(spec, output)
        yield output, answer


def free_run(model: Model, batch: Batch, choose: Choose = greedy) -> Tensor:
    """Give the outputs of `free_steps`, `(B, T, O)`."""
    return torch.stack([output for output, _ in free_steps(model, batch, choose)], dim=1)


def free_answers(model: Model, batch: Batch, choose: Choose = greedy) -> Tensor:
    """Give the answers of `free_steps`, `(B, T)` ids or `(B, T, O)` numbers; no output is kept."""
    return torch.stack([answer for _, answer in free_steps(model, batch, choose)], dim=1)


def sampler(
    temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator
) -> Choose:
    """Draw each answer from softmax(logits / temperature), cut off where it is unlikely.

    Args:
        temperature: above 0; small is near the likeliest, 1 is the model's own distribution.
        top_k: draw among so many of the likeliest tokens only; `None` for all.
        top_p: above 0; draw among the fewest likeliest tokens that have this probability together,
            of those that `top_k` leaves (nucleus sampling; Holtzman et al., 2020, section 3.1);
            `None` for all.
        generator: the randomness.
    """

    def choose(spec: TaskSpec, output: Tensor) -> Tensor:
        if not isinstance(spec.target, Tokens):
            return output
        logits = output / max(temperature, 1e-20)  # much less would leave no numbers
        if top_k is not None and top_k < logits.shape[-1]:
            least = logits.topk(top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        probabilities = logits.softmax(-1)
        if top_p is not None:
            probabilities = _nucleus(probabilities, top_p)
        drawn = torch.multinomial(probabilities.to(generator.device), 1, generator=generator)
        return drawn.squeeze(-1).to(output.device)

    return choose


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Set to 0 what lies outside the fewest likeliest tokens that reach `top_p` together."""
    ordered, places = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered  # 0 for the likeliest, which always stays
    return torch.zeros_like(probabilities).scatter(-1, places, ordered.where(before < top_p, 0))


@torch.no_grad()
def beam_search(model: Model, batch: Batch, width: int, end: int | None) -> tuple[Tensor, Tensor]:
    """Find likely whole answers, keeping the `width` likeliest beginnings at each step.

    Graves (2012) and Sutskever et al. (2014), section 3.2; the score is the plain sum of
    log-probabilities. With `width=1` it is greedy decoding. The width does not bound a guarantee:
    a wider beam finds answers at least as likely in nearly all cases, not in all.

    Args:
        model: answers in tokens.
        batch: as for `free_steps`.
        width: W >= 1.
        end: the token after which an answer is over, or `None`.

    Returns:
        The best answers `(B, T)`, and their log-probabilities `(B,)` in nats.
    """
    spec, rows = model.spec, batch.input.shape[0]
    state = map_state(lambda leaf: leaf.repeat_interleave(width, dim=0), model.begin(batch))
    inputs = batch.input.repeat_interleave(width, dim=0)
    mask = batch.mask.repeat_interleave(width, dim=0)
    answers = torch.zeros_like(mask, dtype=torch.int64)
    scores = inputs.new_zeros(rows, width, dtype=torch.float32)
    scores[:, 1:] = -torch.inf  # all beams begin alike: one of them counts
    over = mask.new_zeros(rows * width)
    for t in range(inputs.shape[1]):
        input = inputs[:, t]
        if t and spec.feedback:
            input = keep(~mask[:, t - 1], input, feed(spec, input, answers[:, t - 1]))
        output, state = model.step(input, state)
        log_probs = output.float().log_softmax(-1)
        free = mask[:, t] & ~over  # elsewhere a beam goes on in one way, at no cost
        only = torch.full_like(log_probs, -torch.inf)
        only[:, 0 if end is None else end] = 0.0
        log_probs = torch.where(free[:, None], log_probs, only)
        vocab_size = log_probs.shape[1]
        total = (scores.reshape(-1, 1) + log_probs).view(rows, -1)
        scores, best = total.topk(width, dim=1)
        first = torch.arange(rows, device=best.device)[:, None] * width
        source = (first + best // vocab_size).flatten()
        state = map_state(lambda leaf, source=source: leaf[source], state)
        answers, over = answers[source], over[source]
        answers[:, t] = (best % vocab_size).flatten()
        if end is not None:
            over = over | (mask[:, t] & (answers[:, t] == end))
    best_row = torch.arange(rows, device=answers.device) * width
    return answers[best_row], scores[:, 0]
