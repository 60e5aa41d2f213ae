"""Overrides become a config, or one clear line for each mistake."""

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from rnnlab.config.catalogue import describe
from rnnlab.config.compose import apply_overrides, compose
from rnnlab.config.sources import config_directory
from rnnlab.config.stored import read_config
from rnnlab.errors import ConfigError
from rnnlab.runs.named_files import with_file_hashes
from tests.dear import dear_but

ROOT = config_directory()


def refusal(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        compose(list(words))
    return str(caught.value)


def test_choices_are_recorded_without_hydras_own():
    cfg = compose(["task=copy", "model=gru"])
    assert cfg.choices["task"] == "copy"
    assert cfg.choices["model"] == "gru"
    assert cfg.choices["logger"] is None
    assert not [name for name in cfg.choices if name.startswith("hydra")]
    assert "hydra" not in cfg


def test_an_experiment_chooses_and_the_command_line_has_the_last_word():
    cfg = compose(["experiment=copy_lstm", "data.batch_size=7", "scheduler=constant"])
    assert (cfg.choices["task"], cfg.choices["model"]) == ("copy", "lstm")
    assert cfg.data.batch_size == 7
    assert cfg.scheduler._target_ == "rnnlab.experiment.schedulers.constant"


def test_the_parts_of_an_encoder_decoder_are_chosen_by_name():
    cfg = compose(["task=copy", "model=seq2seq", "model@model.decoder=gru"])
    assert cfg.model.decoder.cell._target_ == "rnnlab.cells.GRU"
    assert cfg.model.encoder.cell._target_ == "rnnlab.cells.LSTM"


WRONG = [
    ("sed=3", "sed is not a setting: did you mean seed?"),
    ("modl=lstm", "modl is not a setting: did you mean model?"),
    (
        "hidden_size=3",
        "hidden_size is not a setting: did you mean model.cell.hidden_size?",
    ),
    ("model.cell.hiden_size=3", "did you mean model.cell.hidden_size?"),
    (
        "task=cpoy",
        "task=cpoy doesn't exist: did you mean copy?; task is one of adder_program, ",
    ),
    ("model=null", "model=null doesn't exist; model is one of ar, "),
    ("logger=tensorboard", "TensorBoard's records are always written"),
    ("logger=null", "logger=null doesn't exist; logger is one of mlflow, wandb"),
    ("model=gru,lstm", "model=gru,lstm names several values: add -m"),
    ("model@model.encoder=gruu", "did you mean gru?"),
    ("model", "'model' can't be read as KEY=VALUE"),
    ("foo==", "'foo==' can't be read as KEY=VALUE"),
    ("", "'' can't be read as KEY=VALUE"),
    ("=3", "'=3' can't be read as KEY=VALUE"),
    ("--foo", "'--foo' can't be read as KEY=VALUE"),
    ("seed=" + "9" * 5000, "...' can't be read as KEY=VALUE: Exceeds the limit"),
    ("seed=" + "[" * 5000, "...' can't be read as KEY=VALUE: a [ is not closed"),
    ("seed=" + "[" * 150 + "]" * 150, "maximum recursion depth exceeded"),
    ("output_dir=\udcff", r"its value can't hold '\udcff'"),
    ("output_dir=a\nb", r"'output_dir=a\nb' can't be read as KEY=VALUE"),
    ("seed=${seed}", "seed can't be resolved: Recursive interpolation detected"),
    ("seed=${sed}", "seed can't be resolved: Interpolation key 'sed' not found"),
    ("optimizer.betas=[0.9,${sed}]", "optimizer.betas can't be resolved: Interpolation key"),
    ("seed=${oc.env:RNNLAB_NO_SUCH}", "seed can't be resolved: KeyError raised while"),
    ("model.cell={1:2}", "model.cell can't be that: Key '1' is not in struct"),
    ("~on_error", "Key not found: 'on_error'"),
    ("on_error=${sed}", "Interpolation key 'sed' not found"),
    ("on_error=never", "on_error must be one of continue or stop, got 'never'"),
    ("dry_run=3", "dry_run must be true or false, got 3"),
    ("+choices.task=copy", "choices can't be given: the program fills them in"),
    ("task=../task/copy", "task=../task/copy doesn't exist"),
    (
        "hydra/launcher=joblb",
        "doesn't exist: did you mean joblib?; hydra/launcher is",
    ),
    ("hydra.searchpath=3", "hydra.searchpath must be a list of strings. Got: 3"),
    ("task=[[copy]]", "task=[[copy]] doesn't exist: did you mean copy?"),
    ("~hydra", "hydra can't be chosen: no config chosen here has that part"),
]
QUICK = (
    *("hidden_size=3", "task=cpoy", "logger=tensorboard", "model=gru,lstm", "model"),
    *("seed=${sed}", "model.cell={1:2}", "on_error=never", "+choices.task=copy"),
    *("hydra/launcher=joblb", "output_dir=a\nb"),
)


@pytest.mark.parametrize(
    ("word", "said"), dear_but([pair for pair in WRONG if pair[0] in QUICK], WRONG)
)
def test_a_wrong_word_is_explained(word, said):
    words = ["task=copy", "model=seq2seq" if "@" in word else "model=lstm", word]
    line = refusal(*words)
    assert said in line
    assert len(line.splitlines()) == 1


def test_all_wrong_words_are_explained_at_once():
    said = refusal("task=cpoy", "model=lstmm", "foo==").splitlines()
    assert len(said) == 3


def test_what_was_deleted_is_no_wrong_choice():
    assert refusal("~scheduler", "sed=3") == "sed is not a setting: did you mean seed?"


def test_what_refers_to_another_setting_is_what_that_is():
    assert compose(["task=copy", "seed=${task.length}"]).seed == 10
    assert apply_overrides(compose(["task=copy"]), ["task.delay=${task.length}"]).task.delay == 10


def test_all_unknown_settings_are_found_at_once():
    said = refusal("task=copy", "model=gru", "sed=3", "task.dely=3").splitlines()
    assert said == [
        "sed is not a setting: did you mean seed?",
        "task.dely is not a setting: did you mean task.delay?",
    ]


def test_a_setting_is_checked_against_the_chosen_groups():
    assert compose(["model=gru", "model.cell.update_bias=1.0"]).model.cell.update_bias == 1
    assert "model.cell.update_bias is not a setting" in refusal(
        "model=elman", "model.cell.update_bias=1.0"
    )


def test_overrides_change_a_copy_of_a_config():
    cfg = compose(["task=copy"])
    changed = apply_overrides(cfg, ["task.length=3", "task.min_length=null", "threads=2"])
    assert (changed.task.length, changed.task.min_length, changed.threads) == (3, None, 2)
    assert (cfg.task.length, cfg.threads) == (10, 1)


def test_overrides_of_a_run_name_every_problem():
    with pytest.raises(ConfigError) as caught:
        apply_overrides(
            compose(["task=copy"]),
            [
                "tsk.length=3",
                "length=3",
                "task.length=1,2",
                "task.length=range(1,3)",
                "~task.length",
                "+task.delay=3",
                "task",
                "task.length=3",
                "model.cell={a:3}",
            ],
        )
    assert str(caught.value).splitlines() == [
        "tsk.length is not a setting of this run: did you mean task.length?",
        "length is not a setting of this run: did you mean task.length?",
        "'task.length=1,2' must be KEY=VALUE with one value",
        "'task.length=range(1,3)' must be KEY=VALUE with one value",
        "'~task.length' must be KEY=VALUE with one value",
        "'+task.delay=3' must be KEY=VALUE with one value",
        "'task' can't be read as KEY=VALUE: it has no =",
        "'model.cell={a:3}' can't be: Key 'a' is not in struct",
    ]


def test_overrides_of_a_run_that_lead_nowhere_are_refused():
    with pytest.raises(
        ConfigError, match=r"^task\.length can't be resolved: Interpolation key 'x'"
    ):
        apply_overrides(compose(["task=copy"]), ["task.length=${x}"])


def test_the_config_of_a_run_is_read_as_it_was_written(tmp_path: Path):
    cfg = compose(["task=copy", "optimizer.eps=1e-9", "output_dir='7'", "monitor='a: b'"])
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    assert read_config(tmp_path / "config.yaml") == cfg


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcd", "bcde", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: ${oc.env:HOME}", "it must hold a mapping of plain values"),
        ('a: "\\x24{oc.env:HOME}"', "it must hold a mapping of plain values"),
        ("a: {b: [1, '${a}']}", "it must hold a mapping of plain values"),
        ("${oc.env:HOME}: 1", "it must hold a mapping of plain values"),
        ("[1, 2]", "it must hold a mapping of plain values"),
        (
            "a: !!python/object/apply:os.system ['true']",
            "it holds the tag tag:yaml.org,2002:python/",
        ),
        ("a: !!python/name:os.system", "it holds the tag tag:yaml.org,2002:python/"),
        ("a: b: c", "mapping values are not allowed"),
        (BOMB, "it is deeper than any config, or holds aliases"),
        ("a: " + "[" * 25_000, "it is deeper than any config"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
    ],
)
def test_a_config_that_no_run_wrote_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path} can't be read: {said}")


def test_a_config_that_is_too_large_is_refused(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("# " + "x" * 30_000)
    with pytest.raises(ConfigError, match="is too large: it may have 30000 bytes"):
        read_config(tmp_path / "config.yaml")


def test_a_config_that_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"config\.yaml is damaged: it is not UTF-8"):
        read_config(path)
    with pytest.raises(ConfigError, match="is missing"):
        read_config(tmp_path / "missing")


@pytest.mark.parametrize(
    "path",
    [p.relative_to(ROOT) for p in sorted(ROOT.rglob("*/*.yaml")) if "hydra" not in p.parts],
    ids=str,
)
def test_every_yaml_begins_with_one_line_that_says_what_it_is(path):
    text = describe(str(path.parent))[path.stem]
    assert text.endswith(".")
    assert 4 <= len(text) <= 110
    assert text[0].isupper()


def test_no_two_yamls_of_a_group_are_described_alike():
    groups = [p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "hydra"]
    for group in groups:
        texts = list(describe(group).values())
        assert len(set(texts)) == len(texts), group


def test_every_root_setting_has_a_comment():
    lines = (ROOT / "train.yaml").read_text(encoding="utf-8").splitlines()
    keys = [key for key in yaml.safe_load("\n".join(lines)) if key not in ("defaults", "data")]
    for key in keys:
        assert any(line.startswith(f"{key}:") and "#" in line for line in lines), key


def test_files_are_where_the_run_was_begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    words = ["task=next_char", "task.path=a.txt", "task.val_path=b.txt", "task.test_path='~/c.txt'"]
    task = with_file_hashes(compose(words)).task
    home = Path.home()
    paths = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), str(home / "c.txt")]
    assert [task.path, task.val_path, task.test_path] == paths


@pytest.mark.parametrize(
    "files",
    ["[1]", "x", "{task.path: 3}", "{task.path: [1]}", "{monitor: %s}", "{task.path.x: %s}"],
)
def test_files_of_a_strangers_config_are_digests(tmp_path, files):
    path = tmp_path / "config.yaml"
    path.write_text(f"seed: 3\nfiles: {files.replace('%s', 64 * 'a')}\n")
    with pytest.raises(ConfigError, match=r"can't be read: files must give the SHA-256"):
        read_config(path)
