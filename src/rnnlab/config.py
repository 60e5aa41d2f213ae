"""The one place that checks a config and builds objects from it."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pkgutil import resolve_name
from typing import Annotated, Any, Literal, get_type_hints

from annotated_types import Len
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, ValidationError, create_model

from rnnlab.checks import NonNegative, Positive, PositiveInt, Probability, Seed
from rnnlab.errors import ConfigError

_ALLOWED = ("rnnlab.", "torch.optim.", "lightning.pytorch.loggers.")

# What we ask of settings that other people's constructors take without saying their range.
_BORROWED: dict[str, Any] = {
    "lr": Positive,
    "weight_decay": NonNegative,
    "momentum": NonNegative,
    "nesterov": bool,
    "betas": Annotated[list[Probability], Len(2, 2)],
    "alpha": NonNegative,
    "eps": NonNegative,
    "max_iter": PositiveInt,
    "history_size": PositiveInt,
    "line_search_fn": Literal["strong_wolfe"] | None,
    "tolerance_grad": NonNegative,
    "tolerance_change": NonNegative,
}

_ROOT: dict[str, Any] = {
    "seed": Seed,
    "threads": PositiveInt,
    "monitor": str,
    "mode": Literal["min", "max"],
    "output_dir": str,
    "init_from": str | None,
    "choices": dict[str, str | None],
}
_GROUPS = ("task", "model", "data", "optimizer", "scheduler", "trainer", "logger")


def check(cfg: DictConfig) -> None:
    """Find every problem of a whole config before anything is built.

    Raises:
        ConfigError: one line a problem, each naming the key, what it got and what it takes.
    """
    tree = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(tree, dict)
    root = {str(key): value for key, value in tree.items() if key not in _GROUPS}
    problems = _check_fields("", root, _ROOT, others=[*_GROUPS])
    for group in _GROUPS:
        if tree.get(group) is not None:
            problems += _check_node(group, tree[group])
        elif group != "logger":
            problems.append(f"{group} is missing")
    if problems:
        raise ConfigError("\n".join(problems))


def check_values(values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Compare a command's own values with their annotations.

    Raises:
        ConfigError: one line a problem.
    """
    problems = _check_fields("", values, fields, others=[], loose=True)
    if problems:
        raise ConfigError("\n".join(problems))


def build(path: str, node: Any, *given: Any) -> Any:
    """Build what a config node says, with the positional arguments that code gives.

    Inner nodes are built too; one whose constructor waits for arguments from code becomes a
    callable that takes them, and so does this node where `given` is empty.

    Args:
        path: the node's key, for errors.
        node: a mapping with `_target_`.
        given: positional arguments of the target.

    Raises:
        ConfigError: the target refuses its settings; the message begins with the key.
    """
    if isinstance(node, DictConfig):
        node = OmegaConf.to_container(node, resolve=True)
    settings = {
        key: _build_inner(f"{path}.{key}", value)
        for key, value in node.items()
        if key != "_target_"
    }
    make = _Recipe(_target(node["_target_"]), **settings)
    make.path = path
    return make(*given) if given or not make.waits else make


def _build_inner(path: str, value: Any) -> Any:
    if isinstance(value, dict) and "_target_" in value:
        return build(path, value)
    return value


class _Recipe(partial[Any]):
    """A constructor with its settings, waiting for what code gives; its errors name the key."""

    path: str

    @property
    def waits(self) -> bool:
        return any(
            p.default is p.empty and p.kind is not p.KEYWORD_ONLY and p.kind is not p.VAR_KEYWORD
            for name, p in inspect.signature(self.func).parameters.items()
            if name not in self.keywords
        )

    def __call__(self, *given: Any) -> Any:
        try:
            return self.func(*given, **self.keywords)
        except ConfigError as error:
            raise ConfigError(self._named(str(error))) from error
        except (ValueError, TypeError, ImportError) as error:
            if self.func.__module__.startswith("rnnlab."):
                raise
            raise ConfigError(f"{self.path}: {error}") from error

    def _named(self, text: str) -> str:
        """Begin with the whole key, where a constructor could name no more than its own part."""
        first = text.split(maxsplit=1)[0].rstrip(":")
        if text.startswith(("data.", "task.", "model.", "trainer.", self.path)):
            return text
        return f"{self.path}.{text}" if first in self.keywords else f"{self.path}: {text}"


def target(node: Any) -> Any:
    """Give the class or function that a node names."""
    return _target(node["_target_"])


@cache
def _target(name: str) -> Callable[..., Any]:
    made = resolve_name(name)
    if not callable(made):
        raise TypeError("it can't be called")
    return made


def _check_node(path: str, node: Any) -> list[str]:
    """Bind a node, and all nodes inside it, to the signatures of their targets."""
    if not isinstance(node, dict) or not isinstance(node.get("_target_"), str):
        return [f"{path} must be a mapping with _target_, got {node!r}"]
    name = node["_target_"]
    if not name.startswith(_ALLOWED):
        return [f"{path}._target_ must begin with one of {', '.join(_ALLOWED)}, got {name}"]
    try:
        target = _target(name)
    except Exception as error:  # whatever the import raised
        return [f"{path}._target_ must name a class or function, got {name} ({error})"]
    ours = name.startswith("rnnlab.")
    settings = {key: value for key, value in node.items() if key != "_target_"}
    inner = {
        key: value
        for key, value in settings.items()
        if isinstance(value, dict) and "_target_" in value
    }
    fields = {key: Any if key in inner else kind for key, kind in _signature(target, ours).items()}
    problems = _check_fields(path, settings, fields, others=[], loose=not ours)
    for key, value in inner.items():
        problems += _check_node(f"{path}.{key}", value)
    return problems


def _signature(target: Callable[..., Any], ours: bool) -> dict[str, Any]:
    """Give the config keys of a target with their annotations.

    Ours are its keyword-only parameters. Of other people's we take all but the first positional
    one, which code gives.
    """
    parameters = [
        p
        for p in inspect.signature(target).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if ours:
        function = target.__init__ if inspect.isclass(target) else target
        hints = get_type_hints(function, include_extras=True)
        keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        return {p.name: hints.get(p.name, Any) for p in keyword}
    if parameters and parameters[0].default is parameters[0].empty:
        parameters = parameters[1:]
    return {p.name: _BORROWED.get(p.name, Any) for p in parameters}


def _check_fields(
    path: str,
    values: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    others: list[str],
    loose: bool = False,
) -> list[str]:
    """Compare values with annotations; `loose` lets keys be missing."""
    prefix = f"{path}." if path else ""
    problems = []
    for key in values:
        if key not in fields and key not in others:
            near = difflib.get_close_matches(key, [*fields, *others], n=1)
            takes = f"it takes {', '.join(fields) or 'none'}"
            hint = f"did you mean {prefix}{near[0]}?" if near else takes
            problems.append(f"{prefix}{key} is not a setting: {hint}")
    model = create_model(
        "Settings",
        __config__=ConfigDict(arbitrary_types_allowed=True, strict=True),
        **{_safe(key): (kind, None if loose else ...) for key, kind in fields.items()},  # type: ignore[call-overload]
    )
    try:
        model.model_validate({_safe(key): value for key, value in values.items() if key in fields})
    except ValidationError as error:
        wanted: dict[str, list[str]] = {}
        got: dict[str, Any] = {}
        for problem in error.errors():
            key = str(problem["loc"][0])[len("field_") :]
            wanted.setdefault(key, []).append(_wants(problem))
            got[key] = None if problem["type"] == "missing" else values.get(key)
        for key, wants in wanted.items():
            if wants == ["missing"]:
                problems.append(f"{prefix}{key} is missing")
            else:
                said = "null" if got[key] is None else repr(got[key])
                takes = " or ".join(dict.fromkeys(wants))
                problems.append(f"{prefix}{key} must be {takes}, got {said}")
    return problems


def _safe(key: str) -> str:
    return f"field_{key}"  # pydantic keeps some names for itself


def _wants(problem: Any) -> str:
    """Say in our words what pydantic wanted."""
    context = problem.get("ctx", {})
    texts = {
        "missing": "missing",
        "greater_than_equal": f"{context.get('ge')} or more",
        "greater_than": f"more than {context.get('gt')}",
        "less_than_equal": f"at most {context.get('le')}",
        "less_than": f"less than {context.get('lt')}",
        "literal_error": f"one of {context.get('expected')}".replace("'", ""),
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "a text",
        "list_type": "a list",
        "too_short": f"a list of {context.get('min_length')}",
        "too_long": f"a list of {context.get('max_length')}",
        "none_required": "null",
        "callable_type": "a mapping with _target_",
        "is_instance_of": "a mapping with _target_",
    }
    return texts.get(problem["type"], problem["msg"])


def near(word: str, known: Sequence[str]) -> str:
    """Suggest what was meant."""
    near = difflib.get_close_matches(word, known, n=1)
    if not near:
        last = word.rsplit(".", 1)[-1]
        near = [key for key in known if key.rsplit(".", 1)[-1] == last][:1]
    return f": did you mean {near[0]}?" if near else ""
