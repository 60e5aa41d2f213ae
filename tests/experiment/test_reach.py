"""Delay taps that reach beyond every sequence would do nothing."""

import pytest

from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.experiment.reach import check_taps
from tests.small_runs import TEXT, assemble


def check(experiment: Experiment, length: int | None = None) -> None:
    check_taps(experiment.model, experiment.task, length)


AR, ADDITION = ["model=ar"], ["task=addition"]
ENCODER = ["model=seq2seq", "model@model.encoder=ar", "model@model.decoder=ar_ffn"]


@pytest.mark.parametrize("model", ["ar", "ar_ffn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_taps_beyond_the_longest_sequence_are_refused(model: str, layers: int) -> None:
    words = [*ADDITION, f"model={model}", f"model.num_layers={layers}"]
    check(assemble([*words, "model.cell.taps=9"]))
    said = r"^model\.cell\.taps must be at most 9, the longest sequence of this task, got 10$"
    with pytest.raises(ConfigError, match=said):
        check(assemble([*words, "model.cell.taps=10"]))


def test_a_curriculum_says_how_long_sequences_become() -> None:
    experiment = assemble([*AR, *ADDITION, "model.cell.taps=30"])
    check(experiment, length=9)
    with pytest.raises(ConfigError, match="at most 27, the longest"):
        check(experiment, length=8)


def test_of_an_encoder_decoder_the_encoder_is_meant() -> None:
    settings = [*ENCODER, *ADDITION, "model.decoder.cell.taps=50"]
    check(assemble([*settings, "model.encoder.cell.taps=5"]))
    with pytest.raises(ConfigError, match=r"^model\.encoder\.cell\.taps must be at most 5, the"):
        check(assemble([*settings, "model.encoder.cell.taps=6"]))


def test_taps_read_what_a_state_is_clamped_to() -> None:
    words = [*AR, "task=oscillation_clamped", "task.length=5", "task.clamped_points=2"]
    check(assemble([*words, "model.cell.taps=9"]))
    with pytest.raises(ConfigError, match="at most 9, the longest"):
        check(assemble([*words, "model.cell.taps=10"]))


@pytest.mark.parametrize(
    "words",
    [
        ["model=gru"],
        ["model=seq2seq", "model@model.decoder=ar", "model.decoder.cell.taps=99"],
        [*AR, "model.cell.taps=99", "model.initial_state=learned"],
        [*ENCODER, "model.encoder.cell.taps=99", "model.encoder.initial_state=learned"],
    ],
    ids=" ".join,
)
def test_what_has_something_to_read_is_left_alone(words: list[str]) -> None:
    check(assemble([*ADDITION, *words]))


def test_the_past_of_a_text_goes_on_beyond_its_windows(tmp_path) -> None:
    (tmp_path / "text").write_text(TEXT)
    words = ["task=next_char", f"task.path={tmp_path / 'text'}", "task.length=5"]
    words += ["data.batch_size=4"]
    check(assemble([*words, *AR, "model.cell.taps=99"]))
    with pytest.raises(ConfigError, match="at most 2, the longest"):
        check(assemble([*words, *ENCODER, "model.encoder.cell.taps=99"]))
