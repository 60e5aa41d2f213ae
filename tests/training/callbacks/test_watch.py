"""Measurements inside the model while training are right, and change nothing."""

import pytest
import torch

import rnnlab
from rnnlab.analysis.diagnostics import diagnose
from rnnlab.training.callbacks.watch import default_period
from tests.experiment.test_experiment import events
from tests.same import curves
from tests.small_runs import COPY, assemble, tiny, tiny_text

LOOKS = ["watch_every=1", "trainer.max_steps=4", "trainer.val_every=2"]


@pytest.mark.parametrize("words", [tiny, tiny_text])
def test_looking_changes_nothing_in_training(tmp_path, words) -> None:
    seen, unseen = (
        rnnlab.train(words(tmp_path, *LOOKS, "model.dropout=0.3", f"watch={level}"))
        for level in ("full", "none")
    )
    assert (seen.path / "metrics.csv").read_bytes() == (unseen.path / "metrics.csv").read_bytes()
    assert not [tag for tag in curves(unseen.path) if tag.startswith(("watch/", "val/samples"))]


def test_each_level_shows_what_it_says(tmp_path) -> None:
    shown = {}
    for level in ("light", "full"):
        run = rnnlab.train(tiny(tmp_path, *LOOKS, f"watch={level}"))
        shown[level] = {tag for tag in curves(run.path) if tag.startswith("watch/")}
        found = events(run)
        assert [event.step for event in found.Scalars("watch/horizon")] == [1, 2, 3, 4]
        assert [event.step for event in found.Images("watch/gradient_over_training")] == [2, 4]
    scalars = {"grad_norm_clipped", "horizon", "saturated", "spectral_radius"}
    light = {f"watch/{name}" for name in (*scalars, "gradient_over_training")}
    assert shown["light"] == light
    assert shown["full"] > light | {"watch/gradient_through_time", "watch/states_network"}
    assert any("recurrent_weight" in tag for tag in shown["full"])


def test_a_short_run_is_looked_at_about_ten_times(tmp_path) -> None:
    assert [default_period(steps) for steps in (4, 100, 300, 2000, 2500, 10**6)] == [
        *(10, 10, 30, 200, 250, 250)
    ]
    run = rnnlab.train(tiny(tmp_path, "trainer.max_steps=20", "trainer.val_every=20"))
    assert [event.step for event in events(run).Scalars("watch/horizon")] == [10, 20]


def test_the_clipped_norm_is_what_the_update_used(tmp_path) -> None:
    found = events(rnnlab.train(tiny(tmp_path, *LOOKS, "trainer.clip_norm=0.01")))
    norms = [event.value for event in found.Scalars("watch/grad_norm_clipped")]
    assert norms == [pytest.approx(0.01)] * 4


@pytest.mark.parametrize(
    "words",
    [
        ["model=lstm"],
        ["model=gru", "model.num_layers=2"],
        ["model=jordan", "model.cell.teacher_forcing=true"],
        ["model=seq2seq", "model.attention=dot"],
    ],
)
def test_every_kind_of_model_can_be_looked_at(words: list[str]) -> None:
    experiment = assemble([*words, *COPY])
    random = torch.get_rng_state()
    seen = diagnose(experiment.model, experiment.task, experiment.data.train(0), full=True)
    assert torch.equal(torch.get_rng_state(), random)
    assert experiment.model.training
    assert all(parameter.grad is None for parameter in experiment.model.parameters())
    gated = words[0] in ("model=lstm", "model=gru", "model=seq2seq")
    assert any(name.startswith("saturated_gates") for name in seen.scalars) == gated
    systems = {"encoder", "decoder"} if words[0] == "model=seq2seq" else {"network"}
    assert seen.planes.keys() == systems
    assert seen.decay is not None
    shares = seen.decay[~seen.decay.isnan()]
    assert 0 < shares.max() <= 1
    assert seen.scalars["horizon" if len(systems) == 1 else "horizon/encoder"] >= 0


def test_taps_have_no_state_to_look_at() -> None:
    experiment = assemble(["model=ar_ffn", "model.cell.taps=3", *COPY])
    seen = diagnose(experiment.model, experiment.task, experiment.data.train(0), full=True)
    assert seen == ({}, None, None, {})


def test_nothing_is_seen_in_a_net_that_has_diverged_or_is_not_asked() -> None:
    experiment = assemble(["model=lstm", *COPY])
    batch = experiment.data.train(0)
    nothing = ({}, None, None, {})
    silent = batch._replace(mask=torch.zeros_like(batch.mask))
    assert diagnose(experiment.model, experiment.task, silent, full=True) == nothing
    with torch.no_grad():
        experiment.model.readout.bias[0] = torch.inf
    assert diagnose(experiment.model, experiment.task, batch, full=True) == nothing


def test_states_that_overflow_are_not_drawn() -> None:
    experiment = assemble(["model=elman", *COPY, "model.cell.activation=relu"])
    (cell,) = experiment.model.cell.layers
    with torch.no_grad():
        cell.recurrent_weight.fill_(1e30)
        cell.bias.fill_(1.0)
    seen = diagnose(experiment.model, experiment.task, experiment.data.train(0), full=True)
    assert seen.planes == {}


def test_a_linear_memory_has_the_spectral_radius_of_its_weights() -> None:
    experiment = assemble(["model=elman", *COPY, "model.cell.hidden_size=3"])
    (cell,) = experiment.model.cell.layers
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.recurrent_weight.copy_(torch.diag(torch.tensor([0.5, -0.9, 0.1])))
    batch = experiment.data.train(0)
    seen = diagnose(experiment.model, experiment.task, batch, full=False)
    assert seen.scalars["spectral_radius"] == pytest.approx(0.9)
    assert seen.scalars["saturated"] == 0
    assert seen.planes == {}
