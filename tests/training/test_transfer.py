"""`init_from`: weights of a symbol go to the same symbol; weights that don't fit are refused."""

from pathlib import Path

import pytest
import torch

import rnnlab
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.runs.run import Run
from rnnlab.training.transfer import Axis, load_initial_weights, symbol_axes
from tests.small_runs import SMALL, tiny

OLD = "the dog sleeps on the mat. " * 40
NEW = "as the cat naps, the zoo hums: Pst! " * 40  # has more letters, and not all of the old
ONE_HOT = "model.embedding_size=null"
SEQ2SEQ = [
    *("model=seq2seq", "model.encoder.cell.hidden_size=5", "model.decoder.cell.hidden_size=5"),
    *("model.encoder.embedding_size=null", "model.decoder.embedding_size=null"),
]
ATTENDING = [*SEQ2SEQ, "model.attention=dot", "model.input_feeding=true"]
MODELS = {
    "elman": ["model=elman", ONE_HOT, "model.cell.hidden_size=5", "model.initial_state=learned"],
    "embedding": ["model=gru", "model.cell.hidden_size=5", "model.embedding_size=4"],
    "lstm": ["model=lstm", ONE_HOT, "model.cell.hidden_size=5", "model.num_layers=2"],
    "ar": ["model=ar", ONE_HOT, "model.cell.taps=3"],
    "ar_ffn": ["model=ar_ffn", ONE_HOT, "model.cell.taps=3", "model.cell.hidden_size=5"],
    "seq2seq": [*SEQ2SEQ, "model.bidirectional=true", "model.context_every_step=true"],
    "attention": ATTENDING,
    "attending_embedding": [*ATTENDING, "model.decoder.embedding_size=4"],
}
REFEEDING = {
    "jordan": ["model=jordan", ONE_HOT, "model.cell.hidden_size=5"],
    "taught": [
        "model=jordan",
        ONE_HOT,
        "model.cell.hidden_size=5",
        "model.cell.teacher_forcing=true",
    ],
    "taps": [
        *("model=seq2seq", "model.encoder.cell.hidden_size=5"),
        "model@model.decoder=ar_ffn",
        "model.decoder.embedding_size=null",
        "model.decoder.cell.hidden_size=5",
        "model.decoder.cell.taps=3",
        "model.context_every_step=true",
    ],
    "jordan_embedding": ["model=jordan", "model.cell.hidden_size=5", "model.embedding_size=4"],
}


def words(place: Path, text: str, *more: str) -> list[str]:
    place.mkdir(exist_ok=True)
    (place / "text.txt").write_text(text, encoding="utf-8")
    path = f"task.path={place / 'text.txt'}"
    return ["task=next_char", path, "task.length=6", *SMALL, f"output_dir={place}", *more]


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS)
def test_answers_in_shared_symbols_stay_what_they_were(model: str, tmp_path: Path) -> None:
    old = rnnlab.train(words(tmp_path / "old", OLD, *MODELS[model]))
    new = Experiment.assemble(compose(words(tmp_path / "new", NEW, *MODELS[model])))
    load_initial_weights(new, str(old.path))
    both = sorted({*old.task.symbols} & {*new.task.symbols})
    assert len(both) < min(len(old.task.symbols), len(new.task.symbols))
    text = "".join(both)
    answers = []
    for task, net in ((old.task, old.model), (new.task, new.model.eval())):
        ids = task.encode(text)
        batch = task.prompt_batch(ids, 1, 4)
        batch = batch._replace(input=torch.tensor(ids[-batch.input.shape[1] :])[None])
        with torch.no_grad():
            answers.append(net(batch)[0][..., ids])
    torch.testing.assert_close(*answers)


@pytest.mark.parametrize(
    ("model", "tensor", "axis"),
    [
        ("jordan", "cell.cells.0.hidden.0.weight", Axis(2, 0)),
        ("taught", "cell.cells.0.hidden.0.weight", Axis(2, 0)),
        ("jordan_embedding", "cell.cells.0.hidden.0.weight", Axis(1, 4, True)),
        ("taps", "decoder.cell.cells.0.hidden.0.weight", Axis(3, 5)),
        ("taps", "readout.weight", None),
    ],
)
def test_what_is_fed_back_is_moved_too(
    model: str, tensor: str, axis: Axis | None, tmp_path: Path
) -> None:
    # More symbols change what is fed back or begun with, so that answers can't stay as they were:
    # the search for the axes itself compares answers before and after a renaming.
    experiment = Experiment.assemble(compose(words(tmp_path, NEW, *REFEEDING[model])))
    assert symbol_axes(experiment).get((tensor, 1)) == axis


def test_a_symbol_that_is_new_begins_as_in_a_new_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = rnnlab.train(words(tmp_path / "old", OLD, *MODELS["embedding"]))
    capsys.readouterr()
    new = words(tmp_path / "new", NEW, *MODELS["embedding"])
    fresh, begun = (Experiment.assemble(compose(new)) for _ in range(2))
    load_initial_weights(begun, str(old.path))
    said = capsys.readouterr().err
    shared = {*OLD} & {*NEW}
    assert f"{len(shared)} of {len({*NEW})} symbols begin with what" in said
    assert f"{len({*NEW} - shared)} begin anew: '!', ',', ':', 'P'" in said
    for symbol, row in zip(begun.task.symbols, begun.model.embed.weight, strict=True):
        if symbol in shared:
            assert row.equal(old.model.embed.weight[old.task.symbols.index(symbol)])
        else:
            assert row.equal(fresh.model.embed.weight[fresh.task.symbols.index(symbol)])


def test_what_can_not_fit_is_refused_by_its_keys(tmp_path: Path) -> None:
    old = rnnlab.train(tiny(tmp_path / "old"))
    wide = Experiment.assemble(compose(tiny(tmp_path, "model.cell.hidden_size=9")))
    before = {name: tensor.clone() for name, tensor in wide.model.state_dict().items()}
    refusal = (
        f"init_from: model.cell.hidden_size=9 doesn't fit the weights of {old.path}, which has 8"
    )
    with pytest.raises(ConfigError) as refused:
        load_initial_weights(wide, str(old.path))
    assert str(refused.value) == refusal
    assert all(tensor.equal(before[name]) for name, tensor in wide.model.state_dict().items())
    larger = Experiment.assemble(compose(tiny(tmp_path, "task.num_symbols=5")))
    with pytest.raises(ConfigError, match=r"init_from: task.num_symbols=5 doesn't fit"):
        load_initial_weights(larger, str(old.path))


def test_only_what_does_harm_is_named(tmp_path: Path) -> None:
    old = rnnlab.train(tiny(tmp_path / "old"))
    harmless = ["task.delay=2", "model.cell.activation=relu", "model.cell.recurrent_scale=0.5"]
    words = tiny(tmp_path, *harmless, "model.cell.hidden_size=9", "model.num_layers=2")
    with pytest.raises(ConfigError) as refused:
        load_initial_weights(Experiment.assemble(compose(words)), str(old.path))
    named = [line.split()[1] for line in str(refused.value).splitlines()]
    assert named == ["model.cell.hidden_size=9", "model.num_layers=2"]
    with pytest.raises(ConfigError) as refused:
        load_initial_weights(
            Experiment.assemble(compose(["model=gru", *words[2:8]])), str(old.path)
        )
    assert str(refused.value) == (
        f"init_from: model=gru doesn't fit the weights of {old.path}, which has elman"
    )


def test_symbols_that_nobody_kept_are_refused(tmp_path: Path) -> None:
    old = rnnlab.train(words(tmp_path / "old", OLD, *MODELS["elman"]))
    (old.path / "vocabulary.json").unlink()
    new = Experiment.assemble(compose(words(tmp_path / "new", NEW, *MODELS["elman"])))
    with pytest.raises(ConfigError, match="doesn't say what its symbols stand for"):
        load_initial_weights(new, str(old.path))
    same = Experiment.assemble(compose(words(tmp_path / "same", OLD, *MODELS["elman"])))
    load_initial_weights(same, str(Run(old.path).path))
