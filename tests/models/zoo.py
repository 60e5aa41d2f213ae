"""Small models over every cell, in float64, and batches for them."""

from functools import partial

import torch
from torch import Tensor

from rnnlab.models import Model, Seq2Seq, Stream, Transformer, TransformerSeq2Seq
from rnnlab.models.teacher_forcing import Constant
from rnnlab.spec import Batch, Port, Reals, TaskSpec, Tokens
from tests.cells.zoo import (
    ctrnn,
    elman,
    gru,
    jordan,
    lstm,
    min_gru,
    mrnn,
    ntm,
    prefix_mask,
    scatter,
    stack_rnn,
    taps,
    taps_mlp,
)

B, T, S = 3, 5, 6

CELLS = {
    "elman": elman,
    "gru": gru,
    "lstm": lstm,
    "lstm_peepholes": partial(lstm, peepholes=True),
    "jordan": jordan,
    "ctrnn": ctrnn,
    "mrnn": mrnn,
    "min_gru": min_gru,
    "stack_rnn": stack_rnn,
    "ntm": ntm,
    "taps": taps,
    "taps_one": partial(taps, taps=1),
    "taps_mlp": taps_mlp,
}

SPECS = {
    "tokens": TaskSpec(input=Tokens(5), target=Tokens(4)),
    "reals": TaskSpec(input=Reals(3), target=Reals(2)),
    "tokens_to_reals": TaskSpec(input=Tokens(5), target=Reals(2)),
}
SOURCE_SPECS = {
    "tokens": TaskSpec(input=Tokens(5), target=Tokens(4), source=Tokens(6), feedback=True),
    "reals": TaskSpec(input=Reals(3), target=Reals(2), source=Reals(2), feedback=True),
}

SETTINGS = {
    "num_layers": 1,
    "dropout": 0.0,
    "embedding_size": None,
    "initial_state": "zero",
    "horizon": None,
}
POSITIONS = ("learned", "sinusoidal", "rotary", "none")
WAYS = {
    "plain": {},
    "context_every_step": {"context_every_step": True},
    "reversed": {"reverse_source": True},
    "bidirectional": {"bidirectional": True, "context_every_step": True},
    "bidirectional_reversed": {"bidirectional": True, "reverse_source": True},
    "additive": {"attention": "additive"},
    "dot": {"attention": "dot", "reverse_source": True},
    "additive_feeding": {"attention": "additive", "attention_size": 3, "input_feeding": True},
    "dot_feeding_bidirectional": {
        "attention": "dot",
        "input_feeding": True,
        "bidirectional": True,
    },
}


def make_stream(spec: TaskSpec, cell: str = "gru", *, cell_settings=None, **settings) -> Stream:
    """Build a stream model with scattered parameters."""
    make = partial(CELLS[cell], **(cell_settings or {}))
    model = Stream(spec, cell=make, **SETTINGS | settings).double()
    scatter(model)
    return model


def make_seq2seq(
    spec: TaskSpec,
    encoder: str = "gru",
    decoder: str = "gru",
    *,
    encoder_settings=None,
    decoder_settings=None,
    **settings,
) -> Seq2Seq:
    """Build an encoder-decoder with scattered parameters."""
    defaults = {
        "attention": "none",
        "attention_size": None,
        "bidirectional": False,
        "reverse_source": False,
        "context_every_step": False,
        "input_feeding": False,
        "teacher_forcing": Constant(value=1.0),
    }
    model = Seq2Seq(
        spec,
        encoder=partial(Stream, cell=CELLS[encoder], **SETTINGS | (encoder_settings or {})),
        decoder=partial(Stream, cell=CELLS[decoder], **SETTINGS | (decoder_settings or {})),
        **defaults | settings,
    ).double()
    scatter(model)
    return model


def make_transformer(spec: TaskSpec, **settings) -> Transformer:
    """Build a Transformer, scattered, with a context shorter than the sequences.

    It has an encoder if the spec has a source.
    """
    defaults = {
        "hidden_size": 8,
        "num_layers": 2,
        "num_heads": 2,
        "feedforward_size": 5,
        "positions": "rotary",
        "context": 3,
        "dropout": 0.0,
    }
    kind = Transformer if spec.source is None else TransformerSeq2Seq
    model = kind(spec, **defaults | settings).double()
    scatter(model)
    return model


def draw(port: Port, steps: int, batch_size: int = B) -> Tensor:
    """Draw a sequence for a port."""
    if isinstance(port, Tokens):
        return torch.randint(port.vocab_size, (batch_size, steps))
    return torch.randn(batch_size, steps, port.size, dtype=torch.float64)


def draw_batch(spec: TaskSpec) -> Batch:
    """Draw a batch: every step is answered, the sources are of three lengths."""
    batch = Batch(
        input=draw(spec.input, T),
        target=draw(spec.target, T),
        mask=torch.ones(B, T, dtype=torch.bool),
    )
    if spec.source is None:
        return batch
    return batch._replace(source=draw(spec.source, S), source_mask=prefix_mask([S, 3, 1], S))


def by_steps(model: Model, batch: Batch) -> tuple[Tensor, object]:
    """Begin, and step over the batch's own inputs."""
    state = model.begin(batch)
    outputs = []
    for input in batch.input.unbind(1):
        output, state = model.step(input, state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


def changed(sequence: Tensor, port: Port) -> Tensor:
    """Change every element of a sequence."""
    return (sequence + 1) % port.vocab_size if isinstance(port, Tokens) else sequence + 1
