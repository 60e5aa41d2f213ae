"""A model speaks: greedily, by chance from a seed, by beams; and refuses what can't be."""

import csv

import pytest
import torch
from PIL import Image

from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import Sampler, beam_search, free_answers
from rnnlab.inference.sample import Decoding, Sample, generate_sample
from tests.small_runs import COPY, SMALL, assemble, tiny_text

GREEDY = Decoding(temperature=0.0)


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An untrained reader of a text: its guesses are nearly even."""
    return _eval(assemble(tiny_text(tmp_path_factory.mktemp("text"))))


@pytest.fixture(scope="module")
def oscillator() -> Experiment:
    settings = ["task=oscillation", "model=elman", "model.cell.hidden_size=8", *SMALL]
    return _eval(assemble(settings))


def _eval(experiment: Experiment) -> Experiment:
    experiment.model.eval()
    return experiment


def say(experiment: Experiment, prompt, num_samples, length, decoding, *live) -> Sample:
    batch = experiment.task.prompt(prompt, num_samples, length)
    return generate_sample(experiment.model, experiment.task, batch, decoding, *live)


def write(writer: Experiment, **decoding) -> str:
    shown = say(writer, "line 1", 1, 40, Decoding(**{**vars(GREEDY), **decoding})).shown
    assert isinstance(shown, str)
    return shown


def test_a_text_goes_on_from_its_prompt_by_the_length(writer):
    shown = write(writer)
    assert shown.startswith("line 1")
    batch = writer.task.prompt("line 1", 1, 40)
    answers = free_answers(writer.model, batch)
    assert shown == "line 1" + writer.task.decode(answers[0, 5:].tolist()).rstrip("\n")


def test_draws_are_the_seeds_and_the_temperature_matters(writer):
    assert write(writer, temperature=1.0) == write(writer, temperature=1.0)
    assert write(writer, temperature=1.0) != write(writer, temperature=1.0, seed=1)
    assert write(writer, temperature=1.0) != write(writer)
    assert write(writer, temperature=1.0, top_k=1) == write(writer)


def test_without_a_temperature_a_text_is_sampled_and_an_answer_is_not(writer):
    assert write(writer, temperature=None) == write(writer, temperature=0.8)
    copier = _eval(assemble(["model=elman", *COPY]))
    samples = [say(copier, None, 2, None, Decoding(t)).shown for t in (None, 0.0)]
    assert samples[0] == samples[1]


def test_what_tells_of_numbers_is_written_too():
    counter = _eval(assemble(["task=counting", "model=elman", *SMALL]))
    pieces: list[str] = []
    sample = say(counter, None, 2, None, GREEDY, pieces.append)
    assert pieces == [sample.shown]
    assert sample.shown.startswith("input   $  a")


def test_several_samples_differ(writer):
    shown = say(writer, "line 1", 3, 20, Decoding(1.0)).shown
    samples = shown.split("\n\n---\n\n")
    assert len(samples) == len(set(samples)) == 3


def test_beams_are_those_of_the_search(writer):
    batch = writer.task.prompt("line 1", 1, 40)
    answers, _ = beam_search(writer.model, batch, 4, writer.task.end)
    for temperature in (0.0, None):
        assert write(writer, temperature=temperature, beam=4) == writer.task.show_answers(
            batch, answers
        )


@pytest.mark.parametrize(
    ("decoding", "said"),
    [
        (Decoding(1.0, beam=2), "temperature must be 0 or null with beam=2, got 1.0"),
        (Decoding(0.0, length_norm=1.0), "length_norm=1.0 needs a beam"),
        (Decoding(0.0, top_k=3), "top_k=3 needs a temperature above 0"),
        (Decoding(top_k=3, beam=2), "top_k=3 needs a temperature above 0"),
        (Decoding(0.0, top_p=0.9), "top_p=0.9 needs a temperature above 0"),
    ],
)
def test_decodings_that_do_not_go_together_are_refused(writer, decoding, said):
    with pytest.raises(ConfigError, match=said):
        say(writer, None, 1, 5, decoding)


@pytest.mark.parametrize(
    "decoding", [Decoding(0.5), Decoding(top_k=2), Decoding(top_p=0.5), Decoding(beam=2)]
)
def test_numbers_are_neither_drawn_nor_searched(oscillator, decoding):
    with pytest.raises(ConfigError, match="must be null: this task answers in numbers"):
        say(oscillator, None, 1, None, decoding)


def test_numbers_are_saved_as_a_picture_and_a_table(oscillator, tmp_path):
    decoding = Decoding()
    sample = say(oscillator, None, 2, 30, decoding)
    paths = sample.save(tmp_path.joinpath)
    assert [path.name for path in paths] == ["sample.png", "sample.csv"]
    with Image.open(paths[0]) as picture:
        assert picture.size[0] > 100
    with paths[1].open(newline="") as file:
        heading, *rows = list(csv.reader(file))
    assert heading == ["sequence", "step", "truth_x", "truth_y", "answer_x", "answer_y"]
    assert {row[0] for row in rows} == {"0", "1"}
    batch = oscillator.task.prompt(None, 2, 30)
    answers = free_answers(oscillator.model, batch)[batch.mask]
    table = torch.tensor([[float(number) for number in row[2:]] for row in rows])
    torch.testing.assert_close(table, torch.cat([batch.target[batch.mask], answers], dim=1))


def test_a_text_is_saved_nowhere(writer, tmp_path):
    sample = say(writer, None, 1, 5, GREEDY)
    assert sample.save(tmp_path.joinpath) == []


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("prompt", ["line 1", "\n\nline", None])
def test_a_text_comes_in_pieces_that_are_the_whole(writer, samples, prompt):
    pieces: list[str] = []
    sample = say(writer, prompt, samples, 60, Decoding(1.5), pieces.append)
    batch = writer.task.prompt(prompt, samples, 60)
    choose = Sampler(1.5, None, None, torch.Generator().manual_seed(0))
    assert sample.shown == writer.task.show_answers(
        batch, free_answers(writer.model, batch, choose)
    )
    assert "".join(pieces) == sample.shown
    assert len(pieces) > 20


def test_what_is_written_is_told_before_all_is_answered(writer):
    told = writer.task.show_while_generating(
        writer.task.prompt("line", 1, 10), iter([torch.tensor([5])] * 10)
    )
    assert next(told) == "l"
    assert [next(told) for _ in range(4)] == ["i", "n", "e", writer.task.symbols[5]]


def test_answers_alone_are_those_behind_the_prompt(writer):
    batch = writer.task.prompt("line 1", 1, 40)
    alone = generate_sample(writer.model, writer.task, batch, GREEDY, answers_only=True).shown
    assert write(writer) == "line 1" + writer.task.decode(
        free_answers(writer.model, batch)[0, 5:].tolist()
    ).rstrip("\n")
    assert write(writer).endswith(alone)
    assert len(alone) <= 40
