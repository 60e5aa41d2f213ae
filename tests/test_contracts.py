"""What holds for every model on every task, found from `configs/`."""

import pickle
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from rnnlab.cells import readable
from rnnlab.config.catalogue import describe
from rnnlab.config.compose import compose
from rnnlab.experiment.data import share
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.evaluate import evaluate
from rnnlab.inference.generate import beam_search, free_answers, free_run
from rnnlab.spec import Batch, Tokens

MODELS, TASKS = list(describe("model")), list(describe("task"))
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in product(MODELS, TASKS)]
LAYOUTS = list(product(("elman", "seq2seq"), TASKS))
SMALL = {
    "hidden_size": 6,
    "hidden_sizes": [6],
    "taps": 3,
    "length": 5,
    "eval_periods": 2,
    "delay": 3,
    "pattern_size": 6,
    "answer_last": 3,
}
TEXT = "".join(f"line {n} of {n * n}: the dog sleeps on.\n" for n in range(150))


def shrink(node: DictConfig) -> None:
    for key in node:
        if isinstance(node[key], DictConfig):
            shrink(node[key])
        elif key in SMALL:
            node[key] = SMALL[key]


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@cache
def _assemble(model: str, task: str, text: Path) -> Experiment:
    words = [f"model={model}", f"task={task}", "data.batch_size=3"]
    cfg = compose(words)
    if task == "next_char":
        cfg.task.path = str(text)
    OmegaConf.set_struct(cfg, False)
    shrink(cfg.model)
    if task != "translation":
        shrink(cfg.task)
    experiment = Experiment.assemble(cfg)
    experiment.model.eval()
    return experiment


@pytest.fixture
def pair(model: str, task: str, text_file: Path) -> Experiment:
    return _assemble(model, task, text_file)


@pytest.fixture
def any_model(task: str, text_file: Path) -> Experiment:
    return _assemble("elman", task, text_file)


def blind(batch: Batch, feedback: bool) -> Batch:
    """Take every target out of a batch, and every input that holds one."""
    shuffled = batch._replace(target=torch.flip(batch.target, (0, 1)))
    if not feedback:
        return shuffled
    held = F.pad(batch.mask, (1, 0))[:, :-1]
    held = held if batch.input.dim() == 2 else held[..., None]
    return shuffled._replace(input=torch.where(held, torch.zeros_like(batch.input), batch.input))


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_forward_equals_begin_and_iterated_steps(pair: Experiment) -> None:
    batch = pair.task.sample("train", 0, 3)
    output, _ = pair.model(batch)
    state, steps = pair.model.begin(batch), []
    for input in batch.input.unbind(1):
        step, state = pair.model.step(input, state)
        steps.append(step)
    torch.testing.assert_close(torch.stack(steps, 1), output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_no_output_depends_on_what_comes_later(pair: Experiment) -> None:
    batch = pair.task.sample("train", 0, 3)
    output, _ = pair.model(batch)
    for cut in {0, batch.input.shape[1] // 2}:
        later = batch._replace(input=batch.input.clone(), target=batch.target.clone())
        later.input[:, cut + 1 :] = 0
        later.target[:, cut:] = 0
        torch.testing.assert_close(pair.model(later)[0][:, : cut + 1], output[:, : cut + 1])


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_free_running_reads_no_target(pair: Experiment) -> None:
    batch = pair.task.sample("test", 0, 3)
    stripped = blind(batch, pair.task.spec.feedback)
    assert not torch.equal(stripped.target, batch.target)
    torch.testing.assert_close(free_run(pair.model, stripped), free_run(pair.model, batch))


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_gradient_reaches_every_parameter(pair: Experiment) -> None:
    pair.model.zero_grad()
    output, _ = pair.model.forward_training(pair.task.sample("train", 0, 3), None, 0)
    pair.task.loss(output, pair.task.sample("train", 0, 3)).backward()
    for name, parameter in pair.model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(p.grad.abs().sum() > 0 for p in pair.model.parameters())


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_vmap_over_stacked_parameters_equals_the_members(pair: Experiment) -> None:
    batch = pair.task.sample("train", 0, 3)
    members = [_perturbed(pair, seed) for seed in (1, 2)]
    with readable(pair.model):
        parameters, buffers = stack_module_state(members)
        together = vmap(
            lambda p, b: functional_call(pair.model, (p, b), (batch,))[0], in_dims=(0, 0)
        )(parameters, buffers)
    for member, output in zip(members, together, strict=True):
        torch.testing.assert_close(output, member(batch)[0], rtol=1e-4, atol=1e-5)


def _perturbed(pair: Experiment, seed: int) -> torch.nn.Module:
    from copy import deepcopy

    member = deepcopy(pair.model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in member.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return member


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_each_pair_is_scored_shown_and_speaks(pair: Experiment) -> None:
    batches = [pair.task.sample("val", index, 3) for index in range(2)]
    scores = evaluate(pair.model, pair.task, batches).compute()
    assert "loss" in scores
    assert all(isinstance(value, float) for value in scores.values())
    batch = pair.task.prompt(None, 2, None)
    answers = free_answers(pair.model, batch)
    shown = pair.task.tell(batch, answers)
    assert isinstance(shown, (str, Image.Image))
    with torch.no_grad():
        output, _ = pair.model(batches[0])
    assert isinstance(pair.task.show(batches[0], output), (str, Image.Image))


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_greedy_decoding_is_a_beam_of_one(pair: Experiment) -> None:
    if not isinstance(pair.task.spec.target, Tokens):
        return
    batch = pair.task.sample("test", 0, 3)
    answers, _ = beam_search(pair.model, batch, 1, None)
    greedy = free_answers(pair.model, batch)
    torch.testing.assert_close(answers[batch.mask], greedy[batch.mask])


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_can_be_made_again_and_no_two_are_alike(any_model: Experiment) -> None:
    task = any_model.task
    made = {
        (split, index): task.sample(split, index, 3)
        for split, index in product(("train", "val", "test"), (0, 1))
    }
    for (split, index), batch in made.items():
        again = task.sample(split, index, 3)
        assert all(
            (a is None and b is None) or torch.equal(a, b)
            for a, b in zip(batch, again, strict=True)
        )
    texts = [str([batch.input, batch.source, batch.initial]) for batch in made.values()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_every_metric_has_a_direction(pair: Experiment) -> None:
    for name in evaluate(pair.model, pair.task, [pair.task.sample("test", 0, 3)]).compute():
        assert pair.task.mode(name) in ("min", "max")


@pytest.mark.parametrize("layout_of", ["elman", "seq2seq"])
@pytest.mark.parametrize("task", TASKS)
def test_processes_that_share_rows_score_what_one_would(
    layout_of: str, task: str, text_file: Path
) -> None:
    experiment = _assemble(layout_of, task, text_file)
    batches = [experiment.task.sample("val", index, 3) for index in range(2)]
    whole = evaluate(experiment.model, experiment.task, batches).forced
    together = experiment.task.scorer()
    for rank in range(4):  # the last has no row
        parts = [part for batch in batches if len((part := share(batch, rank, 4)).mask)]
        scorer = evaluate(experiment.model, experiment.task, parts).forced
        together.merge(pickle.loads(pickle.dumps(scorer.parts())))
    assert together.compute() == pytest.approx(whole.compute(), rel=1e-4, abs=1e-6)
    for name, groups in whole.breakdown().items():
        assert together.breakdown()[name] == pytest.approx(groups, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("layout_of", "task"), LAYOUTS)
def test_the_loss_weighs_what_it_counts(layout_of: str, task: str, text_file: Path) -> None:
    mine = _assemble(layout_of, task, text_file).task
    batch = mine.sample("test", 0, 3)
    port = mine.spec.target
    output = torch.randn(*batch.mask.shape, port.size)
    halves = [share(batch, rank, 2) for rank in range(2)]
    parts = [
        (mine.loss(output[rank::2], half), mine.counted(half)) for rank, half in enumerate(halves)
    ]
    mean = sum(loss * counted for loss, counted in parts) / sum(counted for _, counted in parts)
    torch.testing.assert_close(mean, mine.loss(output, batch))
    assert mine.metrics(output, batch)["loss"].weight == mine.counted(batch)


@pytest.mark.parametrize(("layout_of", "task"), LAYOUTS)
def test_a_perfect_output_scores_one(layout_of: str, task: str, text_file: Path) -> None:
    perfect = _assemble(layout_of, task, text_file).task
    batch = perfect.sample("test", 0, 3)
    output = batch.target
    if isinstance(perfect.spec.target, Tokens):
        output = 50.0 * F.one_hot(batch.target, perfect.spec.target.vocab_size)
    scores, others = (
        {name: float(mean.value) for name, mean in perfect.metrics(given, batch).items()}
        for given in (output, torch.randn(output.shape))
    )
    for name in scores:
        worse, better = sorted((scores[name], others[name]), reverse=perfect.mode(name) == "min")
        assert (worse, better) == (others[name], scores[name]), name
    assert scores["loss"] == pytest.approx(0, abs=1e-6)
    assert scores.get("accuracy", 1.0) == 1
    assert scores.get("exact_match", 1.0) == 1
    assert perfect.floor["loss"] > 0


@pytest.mark.parametrize(("layout_of", "task"), LAYOUTS)
def test_an_answer_is_fed_back_as_the_next_input(
    layout_of: str, task: str, text_file: Path
) -> None:
    fed = _assemble(layout_of, task, text_file).task
    if not fed.spec.feedback:
        return
    batch = fed.sample("test", 0, 3)
    held = batch.mask[:, :-1] & batch.mask[:, 1:]  # an answer follows, so its input is real
    following = batch.input[:, 1:]
    if not isinstance(fed.spec.input, Tokens):
        following = following[..., : fed.spec.target.size]
    torch.testing.assert_close(following[held], batch.target[:, :-1][held])
