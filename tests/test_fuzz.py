"""Words, texts and tables that nobody would write: each works, or is refused in a line.

Each campaign has a few dozen cases by default, always the same, and many more in the slow set,
where they are new each time; a failure prints how to see it again.
"""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

import rnnlab
from rnnlab.cli.evaluate import main as evaluate
from rnnlab.cli.sample import main as sample
from rnnlab.cli.train import main as train
from rnnlab.config.catalogue import describe
from rnnlab.config.compose import compose
from rnnlab.config.sources import config_directory
from rnnlab.errors import ConfigError
from rnnlab.tasks import NextChar, Translation
from rnnlab.training.prepare import prepare
from tests.calls import call, check_lines, listing, refusal
from tests.small_runs import FILES, tiny, tiny_text

pytestmark = pytest.mark.thorough

MOST_FEW = 100


def campaign(*, few: int, many: int) -> pytest.MarkDecorator:
    """Have a test twice, the second time in the slow set."""
    slow = pytest.param(many, marks=pytest.mark.slow, id="many")
    return pytest.mark.parametrize("cases", [pytest.param(few, id="few"), slow])


@pytest.fixture(autouse=True, scope="module")
def _hypothesis_keeps_its_files_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    set_hypothesis_home_dir(str(tmp_path_factory.mktemp("hypothesis")))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    yield
    torch.set_num_threads(1)  # some draws ask for others


def try_all(cases: int, check: Callable[..., bool], **drawn: st.SearchStrategy[Any]) -> None:
    """Check so many cases, a few of them always the same; nothing is shrunk, which takes long.

    Args:
        cases: how many.
        check: holds one to working, which is True, or to being refused as it should be.
        drawn: what it takes.
    """
    works: list[bool] = []

    @settings(
        max_examples=cases,
        derandomize=cases <= MOST_FEW,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(**drawn)
    def try_one(**values: Any) -> None:
        works.append(check(**values))

    try_one()
    print(f"{check.__name__}: {len(works)} cases, {sum(works)} of them right")
    assert len(works) >= cases
    assert any(works)
    assert not all(works)


def works(act: Callable[[], object]) -> bool:
    """Hold an act to coming to its end, or to being refused in lines that say something."""
    try:
        act()
    except ConfigError as error:
        lines = str(error).splitlines()
    else:
        return True
    assert lines
    assert all(line.strip() for line in lines)
    return False


# Words

ROOT = config_directory()
GROUPS = ["task", "model", "optimizer", "scheduler", "trainer", "logger", "curriculum", "debug"]
GROUPS += ["model/teacher_forcing", "experiment"]
PACKAGES = ["model.encoder", "model.decoder", "model.cell", "data", "task", "", "a.b", "_global_"]
USUAL = ["null", "0", "1", "2", "3", "0.5", "true", "false", "[1]", "best", "val", "1e-300"]
ODD = [
    *("", "nan", "inf", "-inf", "-1", "1.5", "1e-9", "x", "'1'", '""', "???", "[]", "[null]"),
    *(str(2**53), str(2**53 + 1), str(10**40), "9" * 5000, "1e30", "1e39", "1e400", "-1e308"),
    *("{}", "{a:1}", "{1:2}", "[" * 90, "[" * 90 + "]" * 90, "[1", "1]", "[1,[2]]"),
    *("${seed}", "${sed}", "${", "${}", "${a}${b}", "${oc.env:HOME}", "${now:%Y}", "${model}"),
    *("1,2", "range(1,3)", "glob(*)", "choice(1)", "int(x)", "a=b", "a b", "'", "\\", "é🙂"),
    *("os.system", "rnnlab.runs.run.os.system", "{_target_:os.system}", "../x", "/etc/passwd"),
    *("rnnlab.cells.Taps", "rnnlab.tasks.Copy", "rnnlab.cells.Stack", "torch.optim.SGD"),
]
SIGNS = st.text(alphabet="=~+@{}[]()$'\"\\,.:;#%&*-/ \n\t\0abcdk1é🙂\u2028\udcff", max_size=9)
VALUES = st.one_of(*[st.sampled_from(USUAL)] * 5, st.sampled_from(ODD), st.sampled_from(ODD), SIGNS)


def keys_below(path: str, tree: Any) -> list[str]:
    """Give the keys of a config and of all mappings in it."""
    if not isinstance(tree, dict):
        return [path]
    inner = (keys_below(f"{path}.{key}", tree[key]) for key in tree if key != "defaults")
    return [path, *(key for keys in inner for key in keys)]


@functools.cache
def keys_of(task: str, model: str) -> list[str]:
    """Give the keys of a config with this task and this model."""

    def read(name: str) -> Any:
        return yaml.safe_load((ROOT / f"{name}.yaml").read_text())

    root = read("train")
    found = [key for key in root if key not in ("defaults", "hydra")]
    found += keys_below("data", root["data"])
    found += keys_below("optimizer", read("optimizer/adam"))
    found += keys_below("trainer", read("trainer/cpu"))
    found += keys_below("task", read(f"task/{task}")) * 2
    found += keys_below("model", read(f"model/{model}")) * 2
    if model == "seq2seq":
        for part in ("encoder", "decoder"):
            found += keys_below(f"model.{part}", read("model/lstm"))
        found += keys_below("model.teacher_forcing", read("model/teacher_forcing/constant"))
    return found


def mistyped(word: str) -> st.SearchStrategy[str]:
    """Give a word with a letter lost, doubled or strange."""
    place = st.integers(0, len(word))
    return st.one_of(
        place.map(lambda i: word[:i] + word[i + 1 :]),
        place.map(lambda i: word[:i] + word[i : i + 1] + word[i:]),
        st.builds(lambda i, signs: word[:i] + signs + word[i:], place, SIGNS),
    )


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Give a task, a model, and words that mostly are settings of theirs."""
    task = draw(st.sampled_from(list(describe("task"))))
    model = draw(st.sampled_from(list(describe("model"))))
    keys = st.sampled_from(keys_of(task, model))
    settings = st.builds("{}={}".format, keys, VALUES)
    choices = st.sampled_from([f"{group}={name}" for group in GROUPS for name in describe(group)])
    plain = st.one_of(settings, settings, settings, choices)
    odd = st.one_of(
        st.builds("{}{}".format, st.sampled_from(["+", "++", "~"]), plain),
        st.builds("~{}".format, keys),
        plain.flatmap(mistyped),
        st.builds("{}@{}={}".format, st.sampled_from(GROUPS), st.sampled_from(PACKAGES), VALUES),
        st.builds("+callbacks{}={}".format, st.sampled_from(["", ".a", ".a.b", "@a"]), VALUES),
        SIGNS,
    )
    words = draw(st.lists(st.one_of(*[plain] * 6, odd), max_size=4))
    return [f"task={task}", f"model={model}", *words]


@campaign(few=30, many=600)
def test_any_words_make_a_config_or_are_refused(
    cases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def words_are_read(words: list[str]) -> bool:
        right = works(lambda: prepare(compose(words)))
        assert not listing(tmp_path)
        return right

    try_all(cases, words_are_read, words=command_lines())


@campaign(few=15, many=200)
def test_any_words_after_the_command_are_answered(
    cases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output directory can't be one, so that what is right is refused at the very end."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    def words_are_answered(words: list[str]) -> bool:
        words = [word for word in words if not word.startswith("-")]
        said = refusal(train, "rnnlab-train", *words, "output_dir=file")
        assert listing(tmp_path) == {"file": b""}
        return "output_dir must be a directory to write in" in said

    try_all(cases, words_are_answered, words=command_lines())


# Texts and pairs

PIECES = st.one_of(
    st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\r", b"\n", b"\r\n", b"\t", b"\x1b"]),
    st.sampled_from([b"\xe9", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"]),
    st.sampled_from(
        ["é🙂👍🏽", "e\u0301", "\u2028\u0085\u200b\ufeff", "ﬁ\u1e9b\u0323", "\u202e"]
    ).map(str.encode),
    st.binary(max_size=6),
    st.text(max_size=12).map(lambda text: text.encode(errors="ignore")),
    *[st.integers(1, 60).map(lambda n: b"the dog sleeps on. " * n)] * 3,
)
TEXTS = st.lists(PIECES, max_size=12).map(b"".join)
LETTERS = st.sampled_from("cé🙂 ﬁ\u2019'-")
PAIRS = st.builds("a{} {}\tb {}{}".format, st.integers(0, 999), LETTERS, LETTERS, LETTERS)
LINES = st.one_of(
    PIECES, st.builds(lambda *parts: b"%b %d\t%b" % parts, PIECES, st.integers(0, 99), PIECES)
)
TABLES = st.builds(
    lambda pairs, odd, end: end.join([*(pair.encode() for pair in pairs), *odd]),
    st.lists(PAIRS, max_size=40),
    st.one_of(st.just([]), st.lists(LINES, max_size=2)),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
LAYOUTS = st.sampled_from(["stream", "encoder_decoder"])


def use(task: Any) -> None:
    """Make a batch, score it and show it."""
    batch = task.sample("train", 0, 2)
    output = torch.zeros(*batch.target.shape, task.spec.target.size)
    scorer = task.scorer()
    scorer.update(output, batch)
    assert scorer.compute()["loss"] > 0
    assert task.floor["loss"] >= 0
    for shown in (task.show(batch, output), task.show_answers(batch, output.argmax(2))):
        shown.encode()
    assert "\r" not in "".join(task.symbols)


@campaign(few=100, many=1000)
def test_any_bytes_are_a_text_or_are_refused(cases: int, tmp_path: Path) -> None:
    path = tmp_path / "text"

    def text_is_read(data: bytes, layout: Any, length: int) -> bool:
        path.write_bytes(data)
        shares = {"val_fraction": 0.2, "test_fraction": 0.2}

        def read() -> None:
            task = NextChar(layout, 0, path=str(path), length=length, cut=None, **shares, **FILES)
            task.num_batches("train", 2)
            use(task)

        return works(read)

    try_all(cases, text_is_read, data=TEXTS, layout=LAYOUTS, length=st.integers(1, 9))


@campaign(few=100, many=1000)
def test_any_bytes_are_pairs_or_are_refused(cases: int, tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"

    def table_is_read(data: bytes, layout: Any, level: Any) -> bool:
        path.write_bytes(data)
        return works(
            lambda: use(
                Translation(
                    layout,
                    0,
                    source=None,
                    level=level,
                    max_clauses=None,
                    path=str(path),
                    max_words=None,
                    **FILES,
                )
            )
        )

    levels = st.sampled_from(["word", "character"])
    try_all(cases, table_is_read, data=TABLES, layout=LAYOUTS, level=levels)


# Run directories


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs"))).path


@pytest.fixture(scope="module")
def literate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rnnlab.train(tiny_text(tmp_path_factory.mktemp("runs"))).path


def answers(main: Callable[[], None], name: str, *words: str) -> bool:
    """Hold a command to doing its work, or to saying in lines why it can't."""
    status, _, err = call(main, name, *words)
    assert status in (0, 1, 2)
    if status:
        check_lines(err[err.find(name) :], name)  # before it training may tell how it goes
    return not status


ABOUT_A_RUN = {
    "evaluate": {
        "split": ["val", "test"],
        "checkpoint": ["best", "last"],
        "threads": ["1", "2"],
        "task.length": ["1", "4"],
        "data.batch_size": ["1", "3"],
        "data.test_size": ["1", "null"],
        "trainer.overfit": ["true"],
    },
    "sample": {
        "prompt": ["null", "the", ""],
        "length": ["null", "1", "5"],
        "temperature": ["null", "0", "0.5", "1e-300", "1e30"],
        "top_k": ["null", "1", "99"],
        "num_samples": ["1", "3"],
        "beam": ["null", "1", "5"],
        "seed": ["0", str(2**53)],
        "checkpoint": ["best", "last"],
        "task.length": ["1", "4"],
    },
}
SIZES = [value for value in ODD if value not in (str(2**53), "1e30")]  # of nothing to be waited for


@st.composite
def words_of(draw: st.DrawFn, name: str) -> list[str]:
    """Give words for a command that works on a run; most of them are right."""
    words = []
    for key in draw(st.lists(st.sampled_from(list(ABOUT_A_RUN[name])), max_size=3)):
        right = st.sampled_from(ABOUT_A_RUN[name][key])
        odd = st.sampled_from(SIZES if key == "data.test_size" else ODD)
        words.append(f"{key}={draw(st.one_of(right, right, right, right, odd, SIGNS))}")
    return [*words, *filter(None, [draw(st.one_of(*[st.just("")] * 9, SIGNS))])]


@campaign(few=40, many=400)
def test_any_words_about_a_run_are_answered(
    cases: int, tmp_path: Path, trained: Path, literate: Path
) -> None:
    runs = [shutil.copytree(run, tmp_path / run.name) for run in (trained, literate)]
    before = os.listdir(tmp_path)

    def words_about_a_run(which: int, command: tuple[str, list[str]]) -> bool:
        name, words = command
        main = {"evaluate": evaluate, "sample": sample}[name]
        right = answers(main, f"rnnlab-{name}", f"run={runs[which]}", *words)
        assert os.listdir(tmp_path) == before
        return right

    commands = [st.tuples(st.just(name), words_of(name)) for name in ABOUT_A_RUN]
    try_all(cases, words_about_a_run, which=st.integers(0, 1), command=st.one_of(*commands))
