"""Encoder-decoder models, with or without attention."""

from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from rnnlab.cells.base import last_real
from rnnlab.errors import ConfigError
from rnnlab.models.attention import AdditiveAttention, Attention, DotAttention
from rnnlab.models.base import Model, source_of
from rnnlab.models.bridge import Bridge
from rnnlab.models.feedback import feed, greedy
from rnnlab.models.stream import Stream
from rnnlab.models.teacher_forcing import Constant, TeacherSchedule
from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, TaskSpec
from rnnlab.stackable import stackable
from rnnlab.state import State, where


class Seq2SeqState(NamedTuple):
    """The state of the decoder and the encoded source.

    Attributes:
        decoder: state of the decoder's cells.
        memory: `(B, S, M)`, the encoder's outputs at all source steps.
        keys: `(B, S, A)`, the attention keys of the memory; A is 0 without attention.
        mask: `(B, S)` bool, True on real source steps.
        context: `(B, C)`, vector that the next step reads beside its input; C may be 0.
    """

    decoder: State
    memory: Tensor
    keys: Tensor
    mask: Tensor
    context: Tensor


@stackable()
class Seq2Seq(Model):
    """Encoder-decoder: the encoder reads the source, the decoder computes the target from it.

        s_0 = bridge(final state of the encoder)
        without attention:   y_t = V h_t + d
        with attention:      y_t = V tanh(W (context_t, h_t)) + d

    Sutskever et al. (2014) for the copied state and the reversed source; Cho et al. (2014) for
    the context read at every step and the tanh bridge between states of different structure. The
    attention query is the decoder's current h_t (Luong et al., 2015), so that all steps run at
    once; with `input_feeding` step t also reads the context of step t-1 (section 3.3 there, as
    Bahdanau et al., 2015), which makes decoding sequential.

    Args:
        spec: input and output types.
        encoder: builds the stream model that reads the source.
        decoder: builds the stream model of the decoder.
        attention: scoring function of the attention, or `none`.
        attention_size: A of additive attention, `null` for the decoder's H; `null` with other
            kinds.
        bidirectional: whether a second encoder reads the source backwards (Schuster and Paliwal,
            1997).
        reverse_source: whether the encoder reads the source last symbol first.
        context_every_step: whether every decoder step reads the encoder's output at the last step
            that it read; without attention only.
        input_feeding: whether every decoder step reads the previous attention context.
        teacher_forcing: schedule of the probability that training feeds the previous target.
    """

    layout: ClassVar[Layout] = "encoder_decoder"

    def __init__(
        self,
        spec: TaskSpec,
        *,
        encoder: Callable[..., Stream],
        decoder: Callable[..., Stream],
        attention: Literal["none", "additive", "dot"],
        attention_size: PositiveInt | None,
        bidirectional: bool,
        reverse_source: bool,
        context_every_step: bool,
        input_feeding: bool,
        teacher_forcing: TeacherSchedule,
    ) -> None:
        super().__init__()
        if spec.source is None or spec.target is None:
            raise ConfigError("an encoder-decoder model needs a task with a source and a target")
        _check_attention(attention, attention_size, context_every_step, input_feeding)
        _check_teacher(spec, teacher_forcing)
        self.spec = spec
        self.reverse_source = reverse_source
        self.context_every_step = context_every_step
        self.input_feeding = input_feeding
        self.schedule = teacher_forcing

        reading = TaskSpec(input=spec.source, target=None)
        self.encoder = encoder(reading)
        self.backward_encoder = encoder(reading) if bidirectional else None
        memory_size = self.encoder.output_size * (2 if bidirectional else 1)
        context_size = memory_size if context_every_step or input_feeding else 0
        self.decoder = decoder(TaskSpec(input=spec.input, target=None), context_size)
        self.bridge = Bridge(
            [e.zero_state(1) for e in (self.encoder, self.backward_encoder) if e is not None],
            self.decoder.zero_state(1),
        )
        size = self.decoder.output_size
        self.attention = _make_attention(attention, size, memory_size, attention_size)
        self.combine = nn.Linear(memory_size + size, size) if self.attention is not None else None
        self.readout = nn.Linear(size, spec.target.size)

    @property
    def draws(self) -> bool:
        """Whether dropout or scheduled sampling draws random numbers."""
        return super().draws or not _always(self.schedule)

    def begin(self, batch: Batch) -> Seq2SeqState:
        """Encode the source; `Batch.initial`, if given, clamps the forward encoder's state."""
        source, mask = source_of(batch)
        start = self.encoder.begin(batch)
        memory, final = self._read(self.encoder, source, start, mask, self.reverse_source)
        finals = [final]
        summary = self._summary(memory, mask, self.reverse_source)  # (B, M)
        if self.backward_encoder is not None:
            start = self.backward_encoder.zero_state(source.shape[0])
            other, final = self._read(
                self.backward_encoder, source, start, mask, not self.reverse_source
            )
            finals.append(final)
            other_summary = self._summary(other, mask, not self.reverse_source)
            summary = torch.cat([summary, other_summary], dim=1)  # M doubles
            memory = torch.cat([memory, other], dim=2)  # (B, S, M)
        keys = self.attention.keys(memory) if self.attention is not None else memory[:, :, :0]
        if self.context_every_step:
            context = summary
        elif self.input_feeding:
            context = torch.zeros_like(summary)
        else:
            context = summary[:, :0]
        return Seq2SeqState(self.bridge(finals), memory, keys, mask, context)

    def step(self, input: Tensor, state: State) -> tuple[Tensor, Seq2SeqState]:
        """Take one decoder step."""
        context = state.context if state.context.shape[1] else None
        features, decoder = self.decoder.step(input, state.decoder, context)
        output, contexts, _ = self._answer(features[:, None], state)  # (B, 1, O), (B, 1, M)
        if self.input_feeding:
            state = state._replace(context=contexts[:, 0])  # (B, M)
        return output[:, 0], state._replace(decoder=decoder)  # (B, O)

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, Seq2SeqState]:
        """Compute the outputs `(B, T, O)` under teacher forcing."""
        output, _, state = self._decode(batch, self.begin(batch) if state is None else state)
        return output, state

    def attend(self, batch: Batch) -> Tensor | None:
        """Return the attention weights `(B, 1, 1, T, S)`, `None` without attention."""
        if self.attention is None:
            return None
        return self._decode(batch, self.begin(batch))[1][:, None, None]

    def forward_training(
        self, batch: Batch, state: State | None, step: int
    ) -> tuple[Tensor, State]:
        """Decode with scheduled sampling: each input is the previous target or the own answer."""
        probability = self.schedule.probability(step)
        if probability == 1:
            return self(batch, state)
        state = self.begin(batch) if state is None else state
        forced = self.draw(*batch.input.shape[:2]) < probability
        forced[:, 1:] |= ~batch.mask[:, :-1]
        outputs: list[Tensor] = []
        for t in range(batch.input.shape[1]):
            input = batch.input[:, t]
            if outputs:
                own = feed(self.spec, input, greedy(self.spec, outputs[-1].detach()))
                input = where(forced[:, t], input, own)
            output, state = self.step(input, state)
            outputs.append(output)
        return torch.stack(outputs, dim=1), state  # (B, T, O)

    def _decode(self, batch: Batch, state: Seq2SeqState) -> tuple[Tensor, Tensor, Seq2SeqState]:
        """Return outputs, attention weights and the final state under teacher forcing."""
        if self.input_feeding:
            return self._decode_by_step(batch, state)
        context = state.context[:, None].expand(-1, batch.input.shape[1], -1)  # (B, T, C)
        features, decoder = self.decoder.unroll(  # (B, T, H)
            batch.input, state.decoder, context=context if context.shape[2] else None
        )
        output, _, weights = self._answer(features, state)
        return output, weights, state._replace(decoder=decoder)

    def _decode_by_step(
        self, batch: Batch, state: Seq2SeqState
    ) -> tuple[Tensor, Tensor, Seq2SeqState]:
        outputs, all_weights = [], []
        for input in batch.input.unbind(1):
            features, decoder = self.decoder.step(input, state.decoder, state.context)  # (B, H)
            output, contexts, weights = self._answer(features[:, None], state)  # (B, 1, ...)
            state = state._replace(decoder=decoder, context=contexts[:, 0])  # (B, M)
            outputs.append(output)
            all_weights.append(weights)
        return torch.cat(outputs, dim=1), torch.cat(all_weights, dim=1), state

    def _answer(self, features: Tensor, state: Seq2SeqState) -> tuple[Tensor, Tensor, Tensor]:
        """Map features `(B, T, H)` to outputs `(B, T, O)`, contexts and attention weights.

        Contexts are `(B, T, M)` and weights `(B, T, S)`; without attention both are `(B, T, 0)`.
        """
        if self.attention is None or self.combine is None:
            empty = features[:, :, :0]
            return self.readout(features), empty, empty
        contexts, weights = self.attention(features, state.keys, state.memory, state.mask)
        joined = torch.cat([contexts, features], dim=2)  # (B, T, M + H)
        combined = torch.tanh(self.combine(joined))  # (B, T, H)
        return self.readout(combined), contexts, weights

    @staticmethod
    def _read(
        encoder: Stream, source: Tensor, start: State, mask: Tensor, reverse: bool
    ) -> tuple[Tensor, State]:
        """Encode forwards or backwards; the memory `(B, S, M)` is in the order of the source."""
        if not reverse:
            return encoder.unroll(source, start, mask)
        memory, final = encoder.unroll(reverse_real(source, mask), start, mask)
        return reverse_real(memory, mask), final

    @staticmethod
    def _summary(memory: Tensor, mask: Tensor, reverse: bool) -> Tensor:
        """Return an encoder's output `(B, M)` at the step that it read last."""
        if reverse:
            return memory[:, 0]  # (B, M)
        return last_real(memory, mask, memory[:, 0])  # (B, M)


def reverse_real(steps: Tensor, mask: Tensor) -> Tensor:
    """Reverse the real steps of each row of `(B, S)` or `(B, S, I)`; padding stays at the end."""
    positions = torch.arange(steps.shape[1], device=steps.device)  # (S,)
    index = mask.sum(1, keepdim=True) - 1 - positions  # (B, S)
    index = torch.where(index >= 0, index, positions)
    if steps.dim() == 3:
        index = index[:, :, None].expand_as(steps)  # (B, S, I)
    return steps.gather(1, index)


def _make_attention(
    kind: str, query_size: int, memory_size: int, attention_size: int | None
) -> Attention | None:
    if kind == "additive":
        return AdditiveAttention(query_size, memory_size, attention_size or query_size)
    return DotAttention(query_size, memory_size) if kind == "dot" else None


def _check_teacher(spec: TaskSpec, schedule: TeacherSchedule) -> None:
    if not (spec.feedback or _always(schedule)):
        raise ConfigError(
            "teacher_forcing must be Constant with value=1 where a task feeds no answers back, got "
            f"{type(schedule).__name__} {vars(schedule)}"
        )


def _always(schedule: TeacherSchedule) -> bool:
    """Whether a schedule is teacher forcing at every update."""
    return isinstance(schedule, Constant) and schedule.value == 1


def _check_attention(
    attention: str, attention_size: int | None, context_every_step: bool, input_feeding: bool
) -> None:
    if attention != "additive" and attention_size is not None:
        raise ConfigError(
            f"attention_size must be null with attention={attention}, got {attention_size}"
        )
    if attention == "none" and input_feeding:
        raise ConfigError("input_feeding=true needs attention=additive or attention=dot")
    if attention != "none" and context_every_step:
        raise ConfigError("context_every_step=true needs attention=none")
