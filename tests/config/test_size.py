"""A model's hidden size from a number of parameters."""

import pytest

from rnnlab.config.compose import compose
from rnnlab.config.size import num_parameters, read_budget, width_keys
from rnnlab.errors import ConfigError

COPY = "task=copy"


@pytest.mark.parametrize(
    ("text", "number"), [("150k", 150_000), ("1.5M", 1_500_000), ("20_000", 20_000), (7, 7)]
)
def test_budgets_are_read_as_they_are_written(text: str, number: int) -> None:
    assert read_budget(text) == number


@pytest.mark.parametrize("text", ["many", "-5", "0", "1e5", "200M", "", "5 k"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="parameters must be a number such as 150k"):
        read_budget(text)


@pytest.mark.parametrize("model", ["elman", "gru", "mrnn", "seq2seq", "transformer"])
def test_no_other_width_is_nearer(model: str) -> None:
    cfg = compose([f"model={model}", COPY, "parameters=20k"])
    keys = width_keys(cfg)
    widths = {cfg.model.hidden_size} if model == "transformer" else set()
    found = abs(num_parameters(cfg) - 20_000)
    step = 8 if widths else 1
    for by in (-step, step):
        other = cfg.copy()
        for key in keys:
            part = other
            for name in key.split(".")[:-1]:
                part = part[name]
            part.hidden_size += by
        assert abs(num_parameters(other) - 20_000) > found


def test_heads_divide_the_width() -> None:
    cfg = compose(["model=transformer", COPY, "model.num_heads=6", "parameters=50k"])
    assert cfg.model.hidden_size % 12 == 0


def test_without_a_budget_nothing_changes() -> None:
    assert "parameters" not in compose(["model=gru", COPY])
    assert compose(["model=gru", COPY]).model.cell.hidden_size == 128


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=ar"], "needs a hidden_size, which ar lacks"),
        (["model=gru", "model.cell.hidden_size=9"], "model.cell.hidden_size=9 says: give one"),
        (["model=gru", "task.length=0"], "task.length must be 1 or more"),
        (["model=transformer", "model.num_heads=600"], "must be a multiple of"),
    ],
)
def test_what_can_not_be_sized_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose([*words, *([] if "task" in words[-1] else [COPY]), "parameters=5k"])


def test_a_budget_below_the_smallest_width_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"parameters must be \d+ or more"):
        compose(["model=transformer", COPY, "parameters=50"])
