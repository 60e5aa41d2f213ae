"""Texts and pictures of a model's answers, for `samples.md` and the logger."""

import torch
from PIL import Image
from torch import Tensor

from rnnlab.inference.generate import free_run, reads_answers
from rnnlab.inference.sample import Decoding, generate_sample
from rnnlab.models.base import Model, source_of
from rnnlab.plots.draw import heat_map
from rnnlab.spec import Batch, map_batch
from rnnlab.tasks.base import Task

_ROWS = 8
_OPEN_ENDED_STEPS = 300  # length of a sample for tasks without a single right continuation


@torch.no_grad()
def show_samples(model: Model, task: Task, batch: Batch) -> dict[str, str | Image.Image]:
    """Show the answers and the attention weights in a few rows of a batch.

    Returns:
        Texts and pictures by name: `samples`, and `picture`, `guesses` or `attention_map` where the
        task or the model has them.
    """
    few = map_batch(lambda part: part[:_ROWS], batch)
    training = model.training
    model.eval()
    shown: dict[str, str | Image.Image] = {}
    if task.scores_free_run:
        output = free_run(model, few) if reads_answers(model) else model(few)[0]
        shown["samples"] = task.show(few, output)
        picture = task.picture(few, output)
        if picture is not None:
            shown["picture"] = picture
    else:
        prompt = task.prompt(None, 1, _OPEN_ENDED_STEPS)
        shown["samples"] = generate_sample(model, task, prompt, Decoding()).shown
        shown["guesses"] = task.show(few, model(few)[0])
    if few.source is not None and (weights := model.attend(few)) is not None:
        shown["attention_map"] = _attention_map(weights.mean(dim=(1, 2)), task, few)
    model.train(training)
    return shown


def _attention_map(weights: Tensor, task: Task, batch: Batch) -> Image.Image:
    """Draw the first row of weights `(B, T, S)`, answered steps by real source steps."""
    source, source_mask = source_of(batch)
    answered, real = batch.mask[0], source_mask[0]
    return heat_map(
        weights[0][answered][:, real].cpu().numpy(),
        row_labels=task.answer_labels(batch.target[0][answered]),
        column_labels=task.labels(source[0][real]),
        title="attention: answers down, source across",
        limits=(0, 1),
    )
