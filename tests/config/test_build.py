"""Every problem of a config at once, before anything is built; and every yaml binds."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnlab.config.build import _LIBRARY_FIELDS, build, check, check_values, target
from rnnlab.config.catalogue import describe
from rnnlab.config.compose import compose
from rnnlab.config.suggestions import did_you_mean
from rnnlab.errors import ConfigError
from rnnlab.spec import Reals, TaskSpec, Tokens

BASE = ["task=copy", "model=lstm"]
PARTS = ("task", "model", "optimizer", "scheduler", "trainer", "curriculum", "debug")
CHOICES = [  # each option of each group once, several of them together; experiments: test_catalogue
    *(
        [*filter(None, row)]
        for row in zip_longest(*([f"{part}={name}" for name in describe(part)] for part in PARTS))
    ),
    *(
        [f"model/teacher_forcing={name}", "model=seq2seq"]
        for name in describe("model/teacher_forcing")
    ),
]


def problems(*words: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(compose([*BASE, *words]))
    return str(caught.value).splitlines()


def nodes(tree: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping with a target, with its path."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield path, tree
        for key, value in tree.items():
            yield from nodes(value, f"{path}.{key}")


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_a_yaml_lists_exactly_the_keyword_only_arguments_which_have_no_defaults(choice):
    cfg = compose(choice)
    check(cfg)
    ours = [
        (path, node)
        for path, node in nodes(OmegaConf.to_container(cfg))
        if node["_target_"].startswith("rnnlab.")
    ]
    assert len(ours) >= 5  # task, model, data, scheduler, trainer
    for path, node in ours:
        parameters = inspect.signature(target(node)).parameters.values()
        keys = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        assert set(node) - {"_target_"} == {p.name for p in keys}, path
        assert all(p.default is p.empty and p.annotation is not p.empty for p in keys), path
        assert not [p for p in parameters if p.kind is p.VAR_KEYWORD], path


@pytest.mark.parametrize("name", describe("optimizer"))
def test_every_setting_of_an_optimizer_has_a_range(name):
    node = compose([*BASE, f"optimizer={name}"]).optimizer
    assert set(node) - {"_target_"} <= set(_LIBRARY_FIELDS)


@pytest.mark.parametrize("name", describe("logger"))
def test_a_logger_takes_every_key_of_its_yaml(name):
    check(compose([*BASE, f"logger={name}"]))


def test_all_problems_come_in_one_error():
    assert problems(
        "seed=-1",
        "+sede=3",
        "task.delay=-1",
        "model.cell.hidden_size=big",
        "+model.cell.hiden_size=3",
        "model.num_layers=0",
        "optimizer.lr=0",
        "trainer.precision=half",
        "~data.val_size",
        "~scheduler",
    ) == [
        "sede is not a setting: did you mean seed?",
        "seed must be 0 or more, got -1",
        "task.delay must be 0 or more, got -1",
        "model.num_layers must be 1 or more, got 0",
        "model.cell.hiden_size is not a setting: did you mean model.cell.hidden_size?",
        "model.cell.hidden_size must be a whole number, got 'big'",
        "data.val_size is missing",
        "optimizer.lr must be more than 0.0, got 0",
        "scheduler is missing",
        "trainer.precision must be one of 32-true, 16-mixed, bf16-mixed or 64-true, got 'half'",
    ]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("+taks=copy", "taks is not a setting: did you mean task?"),
        ("+task.dely=3", "task.dely is not a setting: did you mean task.delay?"),
        ("+data.zzz=1", "data.zzz is not a setting: it takes batch_size, eval_batch_size,"),
        ("+optimizer.momentum=0.9", "optimizer.momentum is not a setting"),
        ("seed=null", "seed must be a whole number, got null"),
        ("seed=1.5", "seed must be a whole number, got 1.5"),
        ("seed=true", "seed must be a whole number, got True"),
        ("watch=best", "watch must be one of none, light or full, got 'best'"),
        ("model.dropout=1", "model.dropout must be less than 1.0, got 1"),
        ("model.dropout=-0.1", "model.dropout must be 0.0 or more, got -0.1"),
        ("model.cell.forget_gate=1", "model.cell.forget_gate must be true or false, got 1"),
        ("model.horizon=0", "model.horizon must be 1 or more, got 0"),
        ("model.cell=3", "model.cell must be a mapping with _target_, got 3"),
        ("model.cell._target_=3", "model.cell._target_ must be a text, got 3"),
        (
            "model=ar_ffn model.cell.hidden_size=x",
            "model.cell.hidden_size must be a whole number or a list, got 'x'",
        ),
        (
            "model=ar_ffn model.cell.hidden_size=[3,0]",
            "model.cell.hidden_size must be 1 or more, got [3, 0]",
        ),
        (
            "model=gru model.embedding_size=x",
            "model.embedding_size must be a whole number or one of auto, got 'x'",
        ),
        (
            "model=jordan model.cell.hidden_size=[]",
            "model.cell.hidden_size must be a whole number or a list that is not empty, got []",
        ),
        ("optimizer.betas=[0.9]", "optimizer.betas must be a list of 2, got [0.9]"),
        ('optimizer.lr="0.1"', "optimizer.lr must be a number, got '0.1'"),
        ("optimizer=sgd optimizer.nesterov=yes", "optimizer.nesterov must be true or false, got"),
        ("optimizer=lbfgs optimizer.line_search_fn=foo", "optimizer.line_search_fn must be one"),
        ("scheduler=cosine scheduler.final_factor=2", "scheduler.final_factor must be at most 1.0"),
        ("scheduler=plateau scheduler.factor=1", "scheduler.factor must be less than 1.0, got 1"),
        ("trainer.clip_norm=0", "trainer.clip_norm must be more than 0.0, got 0"),
        (
            "data.curriculum={_target_:rnnlab.experiment.Curriculum,start:2,end:3,stps:4}",
            "data.curriculum.stps is not a setting: did you mean data.curriculum.steps?",
        ),
        ("optimizer.lr=nan", "optimizer.lr must be a finite number, got nan"),
        ("model.dropout=-inf", "model.dropout must be a finite number, got -inf"),
        ("model.cell.output_bias=inf", "model.cell.output_bias must be a finite number, got inf"),
        ("optimizer.betas=[nan,0.9]", "optimizer.betas must be a finite number, got [nan, 0.9]"),
        ("optimizer.lr=1e7", "optimizer.lr must be at most 1000000.0, got 10000000.0"),
        ("trainer.clip_norm=1e39", "trainer.clip_norm must be at most 3e+38, got 1e+39"),
        (f"task.length={2**53 + 1}", "task.length must be at most 9007199254740992, got 900719925"),
        ("model.num_layers=1001", "model.num_layers must be at most 1000, got 1001"),
        ("threads=257", "threads must be at most 256, got 257"),
        ("task.num_symbols=1", "task.num_symbols must be 2 or more, got 1"),
        ("output_dir=", "output_dir must be a text that is not empty, got ''"),
        ("seed=???", "seed is missing"),
        (
            "+optimizer.maximize=true",
            "optimizer.maximize is not a setting: it takes lr, betas, eps",
        ),
        ("optimizer.lr={_target_:os.system}", "optimizer.lr must be a number, got {'_target_'"),
        ("task.answer={a:b}", "task.answer must be one of recall or everywhere, got {'a': 'b'}"),
        ("+task.foo={1:2}", "task.foo is not a setting: it takes num_symbols, length, min_length"),
        (f"watch={'x' * 200}", f"watch must be one of none, light or full, got '{'x' * 69} ... x"),
    ],
)
def test_a_problem_is_one_line_that_names_key_value_and_range(word, said):
    assert any(line.startswith(said) for line in problems(*word.split(" ")))


@pytest.mark.parametrize(
    ("key", "name", "kind"),
    [
        ("task", "os.system", "Task in rnnlab"),
        ("task", "rnnlab.runs.run.os.system", "Task in rnnlab"),
        ("task", "rnnlab.runs.run.subprocess.Popen", "Task in rnnlab"),
        ("task", "rnnlab.errors", "Task in rnnlab"),
        ("task", "rnnlab.load", "Task in rnnlab"),
        ("task", "rnnlab.runs.run.Run", "Task in rnnlab"),
        ("task", "rnnlab.tasks.copy.Cpoy", "Task in rnnlab"),
        ("task", "rnnlab.tasks.copy.Task", "Task in rnnlab"),  # abstract
        ("task", "rnnlab.tasks.copy.Copy.sample", "Task in rnnlab"),
        ("task", "rnnlab.models.Stream", "Task in rnnlab"),
        ("task", "torch.optim.Adam", "Task in rnnlab"),
        ("task", "rnnlab.tasks.", "Task in rnnlab"),
        ("task", "", "Task in rnnlab"),
        ("model", "rnnlab.cells.LSTM", "Model in rnnlab"),
        ("model.cell", "torch.nn.LSTMCell", "Cell in rnnlab"),
        ("model.cell", "rnnlab.models.Stream", "Cell in rnnlab"),
        ("model.cell", "rnnlab.models.stream.Stack.forward", "Cell in rnnlab"),
        ("data", "rnnlab.experiment.Curriculum", "Data in rnnlab"),
        ("trainer", "lightning.pytorch.Trainer", "TrainerSettings in rnnlab"),
        ("optimizer", "torch.optim.lr_scheduler.StepLR", "Optimizer in torch.optim"),
        ("optimizer", "torch.load", "Optimizer in torch.optim"),
        (
            "scheduler",
            "torch.optim.lr_scheduler.StepLR",
            "LRScheduler in rnnlab.experiment.schedulers",
        ),
        (
            "scheduler",
            "rnnlab.experiment.schedulers.LambdaLR",
            "LRScheduler in rnnlab.experiment.schedulers",
        ),
        (
            "scheduler",
            "rnnlab.experiment.schedulers.math.factorial",
            "LRScheduler in rnnlab.experiment.schedulers",
        ),
        (
            "scheduler",
            "rnnlab.experiment.schedulers._rise",
            "LRScheduler in rnnlab.experiment.schedulers",
        ),
    ],
)
def test_a_target_is_of_its_group_and_named_where_it_can_be_found(key, name, kind):
    (said,) = problems(f"{key}._target_='{name}'")
    assert said.startswith(f"{key}._target_ must name a kind of {kind}, got {name}")


@pytest.mark.thorough
def test_looking_for_a_target_imports_nothing_from_elsewhere():
    code = """
import sys
from rnnlab.config.compose import compose
from rnnlab.config.build import check
from rnnlab.errors import ConfigError
for name in ("antigravity.x", "rnnlab.antigravity.x", "torch.utils.bottleneck.main", "this.s"):
    try:
        check(compose(["task=copy", f"model._target_={name}"]))
    except ConfigError as error:
        print(error)
print({"antigravity", "torch.utils.bottleneck", "this"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 5
    assert done.stdout.endswith("set()\n")


def test_building_checks_the_name_too():
    with pytest.raises(ConfigError, match=r"os\.system is no class or function of rnnlab, torch"):
        build("task", {"_target_": "os.system"})


def test_a_module_that_breaks_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "rnnlab.broken", None)
    (said,) = problems("task._target_=rnnlab.broken.Mine")
    assert "got rnnlab.broken.Mine (import of rnnlab.broken halted" in said


def test_a_whole_number_stands_for_a_number_and_not_the_other_way_round():
    check(compose([*BASE, "trainer.clip_norm=1", "optimizer.lr=1"]))
    assert problems("trainer.max_steps=2.0") == [
        "trainer.max_steps must be a whole number, got 2.0"
    ]


def test_a_node_inside_a_node_is_checked_and_built():
    schedule = "{_target_:rnnlab.models.teacher_forcing.Linear,steps:10,end:0.5}"
    words = ["task=copy", "model=seq2seq", "~model.teacher_forcing"]
    cfg = compose([*words, f"+model.teacher_forcing={schedule}"])
    check(cfg)
    assert build("model.teacher_forcing", cfg.model.teacher_forcing).probability(5) == 0.75
    cfg.model.teacher_forcing.end = 2
    with pytest.raises(ConfigError, match=r"^model\.teacher_forcing\.end must be at most 1"):
        check(cfg)


def test_building_gives_inner_nodes_as_what_they_make():
    cfg = compose(["task=copy", "model=gru", "model.cell.hidden_size=5"])
    model = build("model", cfg.model, TaskSpec(input=Tokens(4), target=Reals(2)))
    assert model.cell.output_size == 5
    assert model.readout.weight.shape == (2, 5)


def test_a_node_that_waits_for_code_becomes_a_callable():
    cfg = compose(["task=copy", "scheduler=cosine"])
    assert callable(build("scheduler", cfg.scheduler))
    assert build("trainer", cfg.trainer).max_steps == cfg.trainer.max_steps


@pytest.mark.parametrize(
    ("words", "path", "said"),
    [
        (["task.min_length=11"], "task", "task.min_length must be at most length=10, got 11"),
        (["model=jordan", "model.dropout=0.5"], "model", "model.dropout must be 0 with one layer"),
        (["model.cell.forget_gate=false"], "model", "model.cell"),
        (["optimizer.betas=[1.0,0.9]"], "optimizer", "optimizer: Invalid beta parameter"),
    ],
)
def test_what_a_constructor_refuses_begins_with_its_key(words, path, said):
    cfg = compose([*BASE, *words])
    check(cfg)
    given = {
        "task": ("stream", 0),
        "model": (TaskSpec(input=Tokens(4), target=Tokens(3)),),
        "optimizer": ([],),
    }[path]
    if path == "optimizer":
        from torch import nn

        given = ([nn.Parameter(nn.Linear(1, 1).weight.detach())],)
    with pytest.raises(ConfigError) as caught:
        build(path, cfg[path], *given)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("name", describe("logger"))
def test_a_package_that_is_missing_is_a_setting_that_can_be_mended(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    node = compose([*BASE, f"logger={name}"]).logger
    with pytest.raises(ConfigError, match=r"^logger: "):
        build("logger", node)


def test_a_bug_in_our_own_code_is_not_taken_for_a_wrong_setting():
    cfg = compose([*BASE])
    with pytest.raises(AttributeError):
        build("model", cfg.model, "no spec")


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["model=elman", f"model.cell.hidden_size={2**53}"], "model.cell"),
        (["model=ar", f"model.cell.taps={2**53}"], "model"),
        (["model=lstm", f"model.embedding_size={2**53}"], "model"),
        (["task=copy", f"task.num_symbols={2**53}"], "model"),
    ],
)
def test_what_no_memory_holds_is_a_setting_that_can_be_mended(words, path):
    cfg = compose([*BASE, *words])
    check(cfg)

    def build_both() -> None:
        task = build("task", cfg.task, "stream", 0)
        build("model", cfg.model, task.spec)

    with pytest.raises(ConfigError, match=rf"^{path}: too large for this machine: "):
        build_both()


def test_a_constructor_that_takes_other_arguments_is_no_setting():
    words = ["~model.cell", "+model.cell={_target_:rnnlab.cells.Stack}"]
    cfg = compose([*BASE, *words])
    check(cfg)
    with pytest.raises(ConfigError, match=r"^model\.cell: missing a required argument: 'dropout'"):
        build("model", cfg.model, TaskSpec(input=Tokens(4), target=Tokens(3)))


def test_a_commands_own_values_are_checked_as_a_config_is():
    fields = {"length": int, "run": str}
    check_values({"run": "x"}, fields)
    with pytest.raises(ConfigError, match="length must be a whole number, got 'x'"):
        check_values({"length": "x"}, fields)


def test_a_suggestion_is_the_nearest_word_or_the_same_last_part():
    assert did_you_mean("modle", ["task", "model"]) == ": did you mean model?"
    assert did_you_mean("cell.hidden_size", ["model.cell.hidden_size"]) == (
        ": did you mean model.cell.hidden_size?"
    )
    assert did_you_mean("xyz", list(chain(["task"], ["model"]))) == ""


def test_a_seed_that_could_meet_another_stream_is_refused():
    # Two words of 32 bits: (0, 1) and then a purpose would read as seed 0 and purpose 1.
    with pytest.raises(ConfigError, match=r"seed must be less than 4294967296, got 4294967296"):
        check(compose(["task=copy", f"seed={2**32}"]))
