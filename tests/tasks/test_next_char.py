import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import evaluate
from rnnlab.inference.generate import free_answers
from rnnlab.models import Stream
from rnnlab.spec import Layout, Split
from rnnlab.state import detach
from rnnlab.tasks.next_char import NextChar
from rnnlab.tasks.next_symbol import ngram_floors
from tests.cells.zoo import lstm
from tests.models.zoo import SETTINGS, make_seq2seq, make_stream
from tests.small_runs import FILES

TEXT = "".join(f"{n} bottles 🍾 of beer\n" for n in range(99, 0, -1))
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Make = Callable[..., NextChar]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(layout: Layout = "stream", text: str = TEXT, **settings: object) -> NextChar:
        file = tmp_path / "text"
        file.write_text(text, encoding="utf-8")
        shares = {"val_fraction": 0.1, "test_fraction": 0.2}
        chosen = {"length": 20, "cut": None, **shares, **FILES, **settings}
        return NextChar(layout, 0, path=str(file), **chosen)  # type: ignore[arg-type]

    return make


def plays(length: int) -> NextChar:
    shares = {"val_fraction": None, "test_fraction": None}
    return NextChar("stream", 0, path=None, length=length, cut=None, **shares, **FILES)  # type: ignore[arg-type]


def test_the_windows_of_a_stream_joined_are_the_text(make: Make) -> None:
    task = make()
    count = task.num_batches("train", 4)
    rows = torch.cat([task.sample("train", index, 4).input for index in range(count)], dim=1)
    train = TEXT[: len(TEXT) - int(0.1 * len(TEXT)) - int(0.2 * len(TEXT))]
    stream = (len(train) - 1) // 4
    for row in range(4):
        text = task.decode(rows[row].tolist())
        assert text == train[row * stream : row * stream + count * 20]
    assert count == stream // 20


def test_the_target_is_the_input_one_character_on(make: Make) -> None:
    task = make()
    batch, following = task.sample("train", 0, 3), task.sample("train", 1, 3)
    assert batch.target[:, :-1].equal(batch.input[:, 1:])
    assert batch.target[:, -1].equal(following.input[:, 0])
    assert batch.mask.all()
    assert batch.mask.shape == batch.input.shape == (3, 20)
    assert batch.input.dtype == batch.target.dtype == torch.int64


def test_only_the_first_window_begins_a_stream_and_it_comes_round_again(make: Make) -> None:
    task = make()
    count = task.num_batches("train", 3)
    for index in range(2 * count):
        first = task.sample("train", index, 3).first
        assert first is not None
        assert first.tolist() == [index % count == 0] * 3
    assert task.sample("train", count + 1, 3).input.equal(task.sample("train", 1, 3).input)


@pytest.mark.parametrize("layout", ["stream", "encoder_decoder"])
def test_splits_stand_in_the_order_of_the_text_and_share_no_character(
    make: Make, layout: Layout
) -> None:
    # Each character of this text stands in it once.
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 1000)))
    task = make(layout, text)
    met: dict[Split, set[int]] = {}
    for split in SPLITS:
        batches = [task.sample(split, i, 3) for i in range(task.num_batches(split, 3))]
        parts = [
            part for b in batches for part in (b.input, b.target, b.source) if part is not None
        ]
        met[split] = {int(i) for part in parts for i in part.flatten()}
    assert max(met["train"]) < 700 <= min(met["val"])
    assert max(met["val"]) < 800 <= min(met["test"])


def test_a_length_given_to_sample_replaces_the_window(make: Make) -> None:
    task = make()
    long, short = task.sample("val", 0, 1, length=40), task.sample("val", 1, 1)
    assert long.input.shape == (1, 40)
    assert long.input[:, 20:].equal(short.input)
    assert make("encoder_decoder").sample("val", 0, 2, length=30).target.shape == (2, 15)


@pytest.mark.parametrize("cut", [None, 1, 13])
def test_the_decoder_goes_on_where_the_source_ends(make: Make, cut: int | None) -> None:
    task = make("encoder_decoder", cut=cut)
    read = 10 if cut is None else cut
    for index in range(task.num_batches("train", 2)):
        batch = task.sample("train", index, 2)
        assert batch.source is not None
        assert batch.source_mask is not None
        assert batch.source_mask.all()
        assert batch.first is None
        assert batch.source.shape == (2, read)
        assert batch.target.shape == batch.mask.shape == (2, 20 - read)
        for source, input, target in zip(batch.source, batch.input, batch.target, strict=True):
            assert task.decode(torch.cat([source, target]).tolist()) in TEXT
            # What is known before step t answers is the source and the targets before t.
            assert input.tolist() == [source[-1].item(), *target[:-1].tolist()]


def test_the_encoder_decoder_layout_answers_each_character_once(make: Make) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 1000)))
    task = make("encoder_decoder", text, cut=7)
    count = task.num_batches("train", 3)
    answered = torch.cat([task.sample("train", i, 3).target.flatten() for i in range(count)])
    assert len(set(answered.tolist())) == len(answered)
    assert len(answered) > 700 - 7 - 3 * 13


def test_a_cut_is_refused_in_the_stream_layout(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"task\.cut must be null .* got 5"):
        make("stream", cut=5)


@pytest.mark.parametrize(("length", "cut"), [(20, 20), (20, 30), (1, None)])
def test_a_cut_that_leaves_nothing_to_answer_is_refused(
    make: Make, length: int, cut: int | None
) -> None:
    with pytest.raises(ConfigError, match=r"task\.length must be more than"):
        make("encoder_decoder", length=length, cut=cut)


def test_decoding_undoes_encoding(make: Make) -> None:
    task = make()
    assert task.decode(task.encode(TEXT)) == TEXT
    assert task.symbols == tuple(sorted(set(TEXT)))
    assert task.spec.input == task.spec.target
    assert len(task.symbols) == task.spec.input.size


def test_an_unknown_character_in_a_prompt_is_named(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"got 'Z' at position 4; it takes '\\n 0123"):
        make().encode("beerZ")


def test_a_text_of_one_character_is_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"task\.path must be a text of 2 or more .* but 'a'"):
        make(text="a" * 1000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ab", "train split has 21 or more characters"),
        (TEXT[:26], "train split has 21 or more characters"),
        (TEXT[:10] * 4, r"val split has 6 or more characters, got 4"),
    ],
)
def test_a_text_too_short_for_its_splits_is_refused(make: Make, text: str, said: str) -> None:
    layout: Layout = "encoder_decoder" if "val" in said else "stream"
    with pytest.raises(ConfigError, match=rf"task\.path must be .* {said}"):
        make(layout, text, cut=5 if "val" in said else None)


def test_a_batch_too_large_for_a_split_is_refused(make: Make) -> None:
    task = make()
    with pytest.raises(ConfigError, match=r"train split has 2001 .* batch_size=100 .*got"):
        task.num_batches("train", 100)
    with pytest.raises(ConfigError, match=r"val split has 1001 or more .* 1000 sequences, got"):
        task.num_batches("val", 1000)


@pytest.mark.parametrize("layout", ["stream", "encoder_decoder"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("length", [2, 20, 33, 5000])
def test_held_out_text_is_answered_whole_and_once(
    make: Make, layout: Layout, batch_size: int, length: int
) -> None:
    # Each character of this text stands in it once, in order.
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 1001)))
    cut = None if layout == "stream" else 1
    task = make(layout, text, cut=cut, test_fraction=0.35)
    count = task.num_batches("test", batch_size)
    answered: list[int] = []
    for index in range(count if length == 20 else 100_000):
        batch = task.sample("test", index, batch_size, length=length)
        if index and batch.target.equal(task.sample("test", 0, batch_size, length=length).target):
            break  # round again
        assert batch.mask.any(dim=0).all(), "steps at which nothing is answered"
        assert len(batch.mask) <= batch_size
        assert batch.target[batch.mask].sub(batch.input[batch.mask]).eq(1).all()
        assert batch.first is None or batch.first.eq(index == 0).all()
        answered += batch.target[batch.mask].tolist()
    size = int(0.35 * 1001)
    assert sorted(answered) == list(range(1001 - size + 1, 1001))


def test_the_number_of_streams_follows_from_the_text_alone(make: Make) -> None:
    for size, streams in ((1_000, 1), (10_000, 1), (25_000, 2), (2_000_000, 64)):
        task = make(text="abcdefghij" * (size // 10))
        assert task.num_streams("val") == streams
    assert make("encoder_decoder").num_streams("val") is None


def test_steps_that_are_not_asked_are_not_shown(make: Make) -> None:
    task = make()
    batch = task.sample("val", task.num_batches("val", 3) - 1, 3)
    assert not batch.mask.all()
    output = torch.nn.functional.one_hot(batch.target, len(task.symbols)).float()
    shown = task.show(batch, output).split("\n\n")
    for block, mask in zip(shown, batch.mask, strict=True):
        assert {len(line) for line in block.split("\n")} == {7 + int(mask.sum())}


def test_splits_may_have_files_of_their_own(tmp_path: Path) -> None:
    for name in ("val", "test"):
        (tmp_path / name).write_text(f"{name}é: 99 bottles of beer\n" * 9, encoding="cp1252")
    (tmp_path / "main").write_text(TEXT.replace("🍾", "é"), encoding="cp1252")
    own = {"encoding": "cp1252", "val_fraction": None, "test_fraction": None}
    paths = {f"{name}_path": str(tmp_path / name) for name in ("val", "test")}

    def whole(task: NextChar, split: Split) -> str:
        return task.decode(task._splits[split].tolist())

    layout: Layout = "stream"
    rest = {"length": 20, "cut": None, "min_count": None, "path": str(tmp_path / "main"), **own}
    both = NextChar(layout, 0, **rest, **paths)  # type: ignore[arg-type]
    assert whole(both, "train") == TEXT.replace("🍾", "é")
    assert [whole(both, name)[:5] for name in ("val", "test")] == ["valé:", "testé"]
    one = NextChar(layout, 0, **rest, **paths | {"val_path": None})  # type: ignore[arg-type]
    assert len(whole(one, "val")) == int(0.05 * len(TEXT))
    assert whole(one, "train") + whole(one, "val") == whole(both, "train")
    with pytest.raises(ConfigError, match=r"val_fraction must be null where task\.val_path gives"):
        NextChar(layout, 0, **rest | {"val_fraction": 0.1}, **paths)  # type: ignore[arg-type]
    (tmp_path / "test").write_text("a")
    with pytest.raises(ConfigError, match=r"task\.test_path must be a text whose test split has 2"):
        NextChar(layout, 0, **rest, **paths)  # type: ignore[arg-type]


def test_rare_characters_are_unknown(make: Make) -> None:
    text = "abcab" * 100 + "xyx" + "ab" * 100 + "cq" * 60
    task = make(text=text, min_count=2, val_fraction=0.1, test_fraction=0.1)
    assert task.symbols == ("<unk>", "a", "b", "c", "x")
    test = task.sample("test", 0, 1, length=50).target
    assert set(test.flatten().tolist()) == {0, 3}
    assert task.decode([1, 0, 2]) == "a<unk>b"
    assert task.labels(torch.tensor([0, 1])) == ["\N{REPLACEMENT CHARACTER}", "a"]
    assert task.encode("aqé") == [1, 0, 0]
    assert task.decode(task._splits["train"].tolist()).count("<unk>") == 1  # y
    assert make(text=text, min_count=4).symbols == ("<unk>", "a", "b", "c")
    assert make(text=text, min_count=1).symbols[-1] == "y"
    with pytest.raises(ConfigError, match=r"min_count must leave some .* got 1000: the commonest"):
        make(text=text, min_count=1000)


def test_a_warning_says_when_most_of_a_text_is_unknown(make: Make) -> None:
    (warned,) = make(text="abcdefgh" * 100 + "ijk" * 70, min_count=3).warnings()
    assert warned.startswith("202 of the 202 characters in the test split are <unk>, so no model")


def test_a_warning_says_when_most_held_out_characters_are_new(make: Make) -> None:
    assert list(make().warnings()) == []
    (warned,) = make(text="abcdefgh" * 100 + "ijk" * 70).warnings()
    assert warned.startswith("202 of the 202 characters in the test split never occur in training")


def test_fractions_that_leave_nothing_to_train_on_are_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"task\.val_fraction and task\.test_fraction must leave"):
        make(val_fraction=0.5, test_fraction=0.5)


def test_floors_are_what_counting_one_by_one_gives() -> None:
    train, held_out = "abracadabra", "cabbcarb"
    letters = "abcdr"
    once, twice = Counter(train), Counter(pairwise(train))
    starts = Counter(train[:-1])
    losses: dict[str, list[float]] = {"one": [], "two": []}
    right = {"one": 0, "two": 0}
    for a, b in pairwise(held_out):
        one = (once[b] + 1) / (len(train) + len(letters))
        losses["one"].append(-math.log(one))
        losses["two"].append(-math.log((twice[a, b] + one) / (starts[a] + 1)))
        right["one"] += b == "a"
        # Of each letter's followers in train: a-b, b-r, c-a, d-a, r-a.
        right["two"] += b == {"a": "b", "b": "r", "c": "a", "d": "a", "r": "a"}[a]
    ids = [np.array([letters.index(c) for c in text]) for text in (train, held_out)]
    assert ngram_floors(*ids, len(letters)) == pytest.approx(
        {
            "loss": np.mean(losses["one"]),
            "loss_bigram": np.mean(losses["two"]),
            "perplexity": math.exp(np.mean(losses["one"])),
            "perplexity_bigram": math.exp(np.mean(losses["two"])),
            "accuracy": right["one"] / 7,
            "accuracy_bigram": right["two"] / 7,
        }
    )


def test_floors_bear_characters_that_training_never_met() -> None:
    found = ngram_floors(np.array([0, 1, 0, 1]), np.array([2, 3, 2, 0]), 4)
    assert found["loss"] == pytest.approx(-math.log(1 / 8 * 1 / 8 * 3 / 8) / 3)
    assert found["loss_bigram"] == pytest.approx(found["loss"])


def test_the_plays_floors_are_those_of_english() -> None:
    task = plays(100)
    floor = task.floor
    assert floor["loss"] == pytest.approx(3.336, abs=0.01)
    assert floor["loss_bigram"] == pytest.approx(2.498, abs=0.01)
    assert floor["accuracy"] == pytest.approx(0.149, abs=0.005)
    assert task.decode(task.encode("ROMEO:\n")) == "ROMEO:\n"


def test_metrics_count_bits_and_no_whole_windows(make: Make) -> None:
    task = make()
    batch = task.sample("val", 0, 2)
    scores = task.metrics(torch.zeros(2, 20, len(task.symbols)), batch)
    assert set(scores) == {"loss", "bits_per_char", "accuracy"}
    assert scores["bits_per_char"].value.item() == pytest.approx(math.log2(len(task.symbols)))
    assert scores["bits_per_char"].weight == 40


def test_show_aligns_the_text_with_the_guesses_on_lines_of_their_own(make: Make) -> None:
    task = make(length=30)
    batch = task.sample("train", 0, 2)
    output = torch.nn.functional.one_hot(batch.target, len(task.symbols)).float()
    output[0, 0] = 0
    output[0, 0, task.symbols.index("b")] = 1
    lines = task.show(batch, output).split("\n")
    assert lines[0] == "text   " + TEXT[1:31].replace("\n", "↵")
    assert lines[1] == "guess  b" + TEXT[2:31].replace("\n", "↵")
    assert len(lines) == 5


def test_show_puts_the_source_before(make: Make) -> None:
    task = make("encoder_decoder")
    batch = task.sample("train", 0, 1)
    output = torch.nn.functional.one_hot(batch.target, len(task.symbols)).float()
    expected = [f"source {TEXT[:10]}", f"text   {TEXT[10:20]}", f"guess  {TEXT[10:20]}"]
    assert task.show(batch, output).split("\n") == expected


@pytest.mark.parametrize("layout", ["stream", "encoder_decoder"])
@pytest.mark.parametrize("prompt", ["", "9", "12 bottles 🍾 of b"])
def test_a_prompt_run_free_is_what_stepping_by_hand_gives(
    make: Make, layout: Layout, prompt: str
) -> None:
    task = make(layout)
    model = make_stream(task.spec) if layout == "stream" else make_seq2seq(task.spec)
    batch = task.prompt_batch(task.encode(prompt), 3, 6)
    assert batch.mask.sum(dim=1).tolist() == [6, 6, 6]
    answers = free_answers(model, batch)
    continued = answers[batch.mask].view(3, 6)

    ids = task.encode(prompt or "\n")
    state = model.begin(batch)
    if layout == "encoder_decoder":
        assert batch.source is not None
        assert task.decode(batch.source[0].tolist()) == (prompt or "\n")[-10:]
        ids = ids[-1:]
    by_hand: list[int] = []
    for step in range(len(ids) + 5):
        read = ids[step] if step < len(ids) else by_hand[-1]
        output, state = model.step(torch.tensor([read] * 3), state)
        if step >= len(ids) - 1:
            by_hand.append(int(output[0].argmax()))
    assert continued.tolist() == [by_hand] * 3


def test_an_empty_prompt_works_for_a_text_without_lines(make: Make) -> None:
    task = make(text="abc" * 300)
    assert task.prompt_batch([], 1, 2).input.tolist() == [[0, 0]]


@pytest.mark.slow
def test_an_lstm_that_carries_its_state_reads_the_plays_at_1_80_nats() -> None:
    task = plays(50)
    layers = {"num_layers": 2, "embedding_size": 64}
    model = Stream(task.spec, cell=partial(lstm, hidden_size=128), **SETTINGS | layers)
    steps, state = 1000, None
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for index in range(steps):
        batch = task.sample("train", index, 32)
        output, state = model(batch, state)
        state = detach(state)
        optimizer.zero_grad()
        task.loss(output, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    batches = [task.sample("val", index, 32) for index in range(task.num_batches("val", 32))]
    scores = evaluate(model, task, batches).compute()
    assert scores["loss"] < 1.80 < task.floor["loss_bigram"]
    assert scores["accuracy"] > 0.47
