"""Members that differ in what their classes declare stackable train as they would alone."""

from collections.abc import Iterator
from inspect import signature, unwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from rnnlab import cells, models, tasks
from rnnlab.cells import GRU
from rnnlab.cells.init import InputInit, RecurrentInit
from rnnlab.config.build import _find, target
from rnnlab.config.compose import compose
from rnnlab.config.sources import config_directory
from rnnlab.ensemble import Group, find_groups
from rnnlab.models.stream import Stream
from rnnlab.ranges import Positive, PositiveInt, Real
from rnnlab.runs.run import Run
from rnnlab.stackable import declared_stackable, stackable
from rnnlab.tasks.next_char import NextChar
from rnnlab.training.train import train
from tests.ensemble.groups import alone, assert_alike, open_group, out, together
from tests.small_runs import COPY, tiny_text

pytestmark = pytest.mark.thorough

VALUES: dict[str, tuple[Any, Any]] = {
    "input_init": ("uniform", "orthogonal"),
    "recurrent_init": ("xavier", "orthogonal"),
    "recurrent_scale": (0.5, 1.5),
    "chrono_steps": (4, 20),
}
BESIDE = {"chrono_steps": ["model.cell.forget_bias=null", "model.cell.input_bias=null"]}
SIZES = {
    "jordan": "model.cell.hidden_size=5",
    "ar_ffn": "model.cell.hidden_size=5",
    "ar": "model.cell.taps=3",
}


_STREAMS = (
    *("elman", "ctrnn", "mrnn", "gru", "min_gru", "lstm", "stack_rnn", "ntm"),
    *("jordan", "ar", "ar_ffn"),
)


def declared_initial() -> Iterator[tuple[str, str]]:
    """Yield every setting that the cell of a model declares to affect initial weights only."""
    for model in _STREAMS:
        kind = target(OmegaConf.load(config_directory() / f"model/{model}.yaml").cell)
        declared = declared_stackable(kind)
        assert declared is not None, kind
        yield from ((model, name) for name in sorted(declared.initial))


@pytest.mark.parametrize(("model", "name"), [*declared_initial()])
def test_members_may_begin_otherwise(model: str, name: str, tmp_path: Path) -> None:
    words = [
        [
            f"model={model}",
            SIZES.get(model, "model.cell.hidden_size=5"),
            *(["model.cell.taps=3"] if model == "ar_ffn" else []),
            *COPY,
            *BESIDE.get(name, []),
            f"model.cell.{name}={value}",
        ]
        for value in VALUES.get(name, (-2.0, 2.0))
    ]
    apart = alone([[*each, out(tmp_path, "alone")] for each in words])
    runs = open_group([[*each, out(tmp_path, "group")] for each in words])
    assert find_groups([run.config for run in runs]) == [Group([0, 1], None)]
    together(runs)
    assert apart[0].results["test"] != apart[1].results["test"]
    for one, member in zip(apart, runs, strict=True):
        assert_alike(one, member)


def test_every_class_that_a_config_names_declares() -> None:
    configs = Path(__file__).parents[2] / "configs"
    named = {
        line.split()[1]
        for file in configs.rglob("*.yaml")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("_target_: rnnlab.")
        and not {"analysis", "reproduce"} & set(file.parts)
    }
    assert len(named) > 20
    assert [
        name for name in sorted(named) if declared_stackable(target({"_target_": name})) is None
    ] == []


def at_home(kind: type, module: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let configs name a class of a test's."""
    kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
    monkeypatch.setattr(module, kind.__name__, kind, raising=False)
    monkeypatch.setattr("rnnlab.config.build._find", unwrap(_find))
    return f"{module.__name__}.{kind.__name__}"


class Leaning(GRU):
    """Uses in every step what its base only begins with."""

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        update_bias: Real,
        input_init: InputInit,
        recurrent_init: RecurrentInit,
        recurrent_scale: Positive,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size=hidden_size,
            update_bias=update_bias,
            input_init=input_init,
            recurrent_init=recurrent_init,
            recurrent_scale=recurrent_scale,
        )
        self.lean = update_bias

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        hidden, _ = super().forward(input, state)
        hidden = torch.tanh(hidden + self.lean)
        return hidden, hidden


GRU_WORDS = ["model=gru", "model.cell.hidden_size=5", *COPY]


def with_kind(words: list[str], **kinds: str) -> list[Any]:
    """Compose two seeds of the words, with other classes at these keys."""
    cfgs = [compose([*words, f"seed={seed}"]) for seed in (0, 1)]
    for cfg in cfgs:
        for key, name in kinds.items():
            node = cfg
            for part in key.split("__"):
                node = node[part]
            node._target_ = name
    return cfgs


def test_a_class_made_from_one_of_ours_declares_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = at_home(Leaning, cells.gru, monkeypatch)
    cfgs = with_kind([*GRU_WORDS, out(tmp_path)], model__cell=name)
    for cfg, bias in zip(cfgs, (-3.0, 3.0), strict=True):
        cfg.model.cell.update_bias = bias
    reason = "no other run has the same model.cell.update_bias"
    assert find_groups(cfgs) == [Group([0], reason), Group([1], reason)]


def test_what_a_class_of_ones_own_declares_is_what_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = stackable(initial=["recurrent_scale"])(type("Declared", (Leaning,), {}))
    name = at_home(kind, cells.gru, monkeypatch)
    cfgs = with_kind([*GRU_WORDS, out(tmp_path)], model__cell=name)
    cfgs[1].model.cell.recurrent_scale = 0.5
    assert find_groups(cfgs) == [Group([0, 1], None)]
    apart = [train(cfg) for cfg in cfgs]
    runs = [Run.create(cfg) for cfg in cfgs]
    together(runs)
    for one, member in zip(apart, runs, strict=True):
        assert_alike(one, member)
    cfgs[1].model.cell.update_bias = 3.0
    reason = "no other run has the same model.cell.update_bias"
    assert find_groups(cfgs) == [Group([0], reason), Group([1], reason)]


class OwnText(NextChar):
    """Carries a state as its base does, under another name."""


def test_a_task_of_ones_own_goes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = at_home(OwnText, tasks.next_char, monkeypatch)
    cfgs = with_kind(tiny_text(tmp_path), task=text)
    assert [g.reason for g in find_groups(cfgs)] == [
        "task: OwnText doesn't declare how it trains in a group"
    ] * 2


class Averaging(Stream):
    """Answers from the mean of all features so far, which needs every step."""

    def unroll(self, inputs: Tensor, state: Any, *_: Any, **__: Any) -> tuple[Tensor, Any]:
        features, state = self.cell.unroll(self.embed(inputs), state)
        counts = torch.arange(1, features.shape[1] + 1)[:, None]
        return self.readout(self.dropout(features.cumsum(1) / counts)), state


@pytest.mark.parametrize("kind", ["cell", "model"])
def test_models_that_declare_nothing_join_if_vmap_computes_them(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "cell":
        kinds = {"model__cell": at_home(Leaning, cells.gru, monkeypatch)}
    else:
        kinds = {"model": at_home(Averaging, models.stream, monkeypatch)}
    cfgs = with_kind([*GRU_WORDS, "model.dropout=0.2", out(tmp_path)], **kinds)
    assert find_groups(cfgs) == [Group([0, 1], None)]
    apart = [train(cfg) for cfg in cfgs]
    runs = [Run.create(cfg) for cfg in cfgs]
    together(runs)
    for one, member in zip(apart, runs, strict=True):
        assert_alike(one, member)


class Branching(Leaning):
    """Its way depends on values."""

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(input, state * (2 if state.sum() > 0 else 1))


class Drawing(Leaning):
    """Draws in a way of its own."""

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(input, state + torch.randn(state.shape))


class Counting(Leaning):
    """Keeps something in a buffer."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self.calls = self.calls + 1
        return super().forward(input, state)


class Marked(Leaning):
    """Keeps something of its own of which torch knows nothing."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.mark = torch.rand(())

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(input, state * self.mark)


class Frozen(Leaning):
    """Doesn't train a part."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.bias.requires_grad_(False)


class Idle(Leaning):
    """Has a part that it doesn't use."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.idle = torch.nn.Parameter(torch.zeros(3))


class Random(Leaning):
    """Its buffer is drawn."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.register_buffer("noise", torch.rand(3))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Branching, "vmap can't compute it: "),
        (Drawing, "vmap can't compute it: "),
        (Counting, "its buffers change while it trains"),
        (Marked, "vmap computes something else than the model"),
        (Frozen, "it has parameters that are not trained"),
        (Idle, "it has parameters without a gradient"),
        (Random, "its buffer cell.cells.0.noise differs from run to run"),
    ],
)
def test_models_that_vmap_would_get_wrong_go_alone_and_it_is_said_why(
    kind: type, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "__init__" in vars(kind):  # the keys of a config are those of the signature
        kind.__init__.__signature__ = signature(Leaning.__init__)  # type: ignore[misc]
    name = at_home(kind, cells.gru, monkeypatch)
    before = torch.get_rng_state()
    groups = find_groups(with_kind([*GRU_WORDS, out(tmp_path)], model__cell=name))
    assert torch.get_rng_state().equal(before)
    assert [group.indices for group in groups] == [[0], [1]]
    said = f"model.cell: {kind.__name__} can't be stacked: {reason}"
    assert all(str(group.reason).startswith(said) for group in groups), groups
