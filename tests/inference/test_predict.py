"""Data of one's own: what a model answers about it is what it answers about its task's."""

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.inference.generate import free_run
from rnnlab.inference.predict import Predictor
from rnnlab.inference.sample import Decoding, generate_sample
from rnnlab.testing import examples
from tests.small_runs import SMALL, assemble

SMALL_NETS = {
    "lstm": ["model=lstm", "model.cell.hidden_size=8"],
    "seq2seq": [
        *("model=seq2seq", "model.encoder.cell.hidden_size=8", "model.decoder.cell.hidden_size=8"),
        "model.attention=dot",
    ],
}
MODELS = list(SMALL_NETS)


def untrained(model: str, task: str, *words: str, file: str | None = None, place=None):
    if file is not None:
        (place / "data").write_text(file, encoding="utf-8")
        words = (*words, f"task.path={place / 'data'}")
    experiment = assemble([*SMALL_NETS[model], f"task={task}", *words, *SMALL])
    experiment.model.eval()
    return experiment


def predictor(experiment, decoding=None, length=None, batch_size=64) -> Predictor:
    return Predictor(experiment.model, experiment.task, decoding or Decoding(), length, batch_size)


def asked(experiment, *lines: str, **settings) -> list[list]:
    numbered = list(enumerate(lines, start=1))
    return list(predictor(experiment, **settings).lines(numbered, "input", "x.txt"))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("task", "lines"),
    [
        ("translation", ["the cat sleeps", "the dog did not leave because the cat sleeps"]),
        ("addition", ["1+2", "12+34", "5+66"]),
        ("scan", ["jump", "walk left twice and look around right"]),
    ],
)
def test_lines_are_answered_together_as_each_alone(model, task, lines):
    experiment = untrained(model, task)
    alone = []
    for line in lines:
        batch = experiment.task.prompt(line, 1, None)
        sample = generate_sample(
            experiment.model, experiment.task, batch, Decoding(), answers_only=True
        )
        alone.append([sample.shown])
    assert asked(experiment, *lines) == alone
    assert asked(experiment, *lines, batch_size=1) == alone
    assert asked(experiment, lines[0], " ", lines[1])[1] == [""]


def test_beams_search_for_the_answers_of_lines():
    experiment = untrained("seq2seq", "translation")
    assert len(asked(experiment, "the cat sleeps", "the dog", decoding=Decoding(beam=2))) == 2


@torch.no_grad()
@pytest.mark.parametrize("model", MODELS)
def test_a_label_comes_with_its_probability(model, tmp_path):
    experiment = untrained(model, "labels", file=examples.labelled(), place=tmp_path)
    texts = ["abcd1", "abcdabcd22"]
    rows = asked(experiment, *texts)
    for text, (label, probability) in zip(texts, rows, strict=True):
        batch = experiment.task.prompt(text, 1, None)
        shares = experiment.model(batch)[0][batch.mask].softmax(-1)[0]
        assert experiment.task.names[int(shares.argmax())] == label
        assert float(shares.max()) == pytest.approx(probability, rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_words_are_said_letter_by_letter(model, tmp_path):
    file = examples.pronunciations()
    experiment = untrained(model, "phonemes_aligned", file=file, place=tmp_path)
    assert len(asked(experiment, "akxe", "ak")) == 2
    with pytest.raises(ConfigError, match=r"input: line 2 of x.txt: a word must be of the letters"):
        asked(experiment, "ak", "zz")


@torch.no_grad()
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("task", "make"), [("motions", examples.recordings), ("digits", examples.pictures)]
)
def test_classes_are_those_that_the_model_names_on_test(model, task, make, tmp_path):
    experiment = untrained(model, task, file=make(), place=tmp_path)
    rows = experiment.task.rows["test"]
    batch = experiment.task.lay_out(rows)
    outputs = experiment.model(batch)[0]
    ids = outputs[batch.mask].argmax(-1).tolist()
    lines = [line for line in make().splitlines() if line[0] != "@"]
    known = [row.values.tobytes() for row in experiment.task.rows.all]
    order = experiment.task.parse(make(), "", "")
    whole = list(predictor(experiment).file(make(), "input", "x"))
    assert len(whole) == len(lines) == len(known)
    found = {
        row.values.tobytes(): prediction
        for row, (_, prediction, _) in zip(order, whole, strict=True)
    }
    assert [found[row.values.tobytes()] for row in rows] == [
        experiment.task.symbols[index] for index in ids
    ]


@pytest.mark.parametrize("model", MODELS)
def test_a_forecast_is_the_free_run_after_the_file(model, tmp_path):
    lines = [f"{2000 + n},{(n * n) % 17}" for n in range(60)]
    words = ["task.cue_steps=5", "task.forecast_steps=4"]
    text = "year,sales\n" + "\n".join(lines)
    experiment = untrained(model, "series", *words, file=text, place=tmp_path)
    task = experiment.task
    batch = task.sample("test", 0, 1)
    outputs = free_run(experiment.model, batch)[0][batch.mask[0]][:, 0]
    right = outputs * task.deviation[0] + task.mean[0]
    before = "\n".join(["year,sales", *lines[: task.bounds["test"][0]]])
    rows = list(predictor(experiment).file(before, "input", "x"))
    assert [step for step, _ in rows] == [1, 2, 3, 4]
    torch.testing.assert_close(torch.tensor([value for _, value in rows]), right.float())
    assert len(list(predictor(experiment, length=9).file(before, "input", "x"))) == 9
    with pytest.raises(ConfigError, match="must have 5 rows or more"):
        predictor(experiment).file("year,sales\n2000,1", "input", "x")


@pytest.mark.parametrize("model", MODELS)
def test_a_text_is_continued(model, tmp_path):
    experiment = untrained(model, "next_char", file=examples.text(), place=tmp_path)
    given = predictor(experiment, Decoding(temperature=0.0), length=12)
    ((text,),) = given.file("line 7\n", "input", "x")
    assert len(text) == 12
    with pytest.raises(ConfigError, match=r"input: line 2 of x: .* got '~' at position 1"):
        given.file("line\nl~ne", "input", "x")


def test_problems_of_lines_are_named_together():
    with pytest.raises(ConfigError) as error:
        asked(untrained("lstm", "addition"), "1+1", *"abcdefg")
    first, *_, last = str(error.value).splitlines()
    assert first.startswith("input: line 2 of x.txt: the source may hold")
    assert last == "... and 2 lines more"


def test_what_a_decoding_cannot_change_is_refused(tmp_path):
    experiment = untrained("lstm", "labels", file=examples.labelled(), place=tmp_path)
    with pytest.raises(ConfigError, match="temperature, top_k"):
        asked(experiment, "abcd", decoding=Decoding(temperature=1.0))
    with pytest.raises(ConfigError, match="length must be null"):
        asked(experiment, "abcd", length=3)


def test_recordings_of_other_channels_are_refused(tmp_path):
    experiment = untrained("lstm", "motions", file=examples.recordings(), place=tmp_path)
    with pytest.raises(ConfigError, match="sequence 1 of x must have 2 numbers a step"):
        predictor(experiment).file("@data\n1,2:?", "input", "x")
