"""Checks a config against the signatures that it names, and builds objects from it."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from pkgutil import resolve_name
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

from annotated_types import Le, Len
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, create_model

from rnnlab.config.packages import allowed_packages
from rnnlab.config.plain import plain
from rnnlab.config.suggestions import nearest
from rnnlab.errors import ConfigError
from rnnlab.process.memory import memory_errors_named
from rnnlab.ranges import BelowOne, NonNegative, Positive, PositiveInt, Probability, Seed, Threads
from rnnlab.spelling import brief, printable


class _Kind(NamedTuple):
    """The objects of a config group.

    Attributes:
        base: their class.
        home: the package whose targets may make them, beside the allowed packages.
    """

    base: str
    home: str


_GROUPS = {
    "task": _Kind("rnnlab.tasks.base:Task", "rnnlab"),
    "model": _Kind("rnnlab.models.base:Model", "rnnlab"),
    "data": _Kind("rnnlab.experiment.data:Data", "rnnlab"),
    "optimizer": _Kind("torch.optim:Optimizer", "torch.optim"),
    "scheduler": _Kind("torch.optim.lr_scheduler:LRScheduler", "rnnlab.experiment.schedulers"),
    "trainer": _Kind("rnnlab.experiment.settings:TrainerSettings", "rnnlab"),
    "logger": _Kind("lightning.pytorch.loggers:Logger", "lightning.pytorch.loggers"),
}
_CALLBACK = _Kind("lightning.pytorch.callbacks:Callback", "rnnlab")
"""Of `callbacks`, a mapping of names to nodes."""
_HOMES = tuple(dict.fromkeys(kind.home for kind in _GROUPS.values()))

# The arguments of libraries' constructors that can be set, with the range that we require.
_LIBRARY_FIELDS: dict[str, Any] = {
    "lr": Annotated[Positive, Le(1e6)],
    "weight_decay": NonNegative,
    "momentum": BelowOne,
    "dampening": Probability,
    "nesterov": bool,
    "betas": Annotated[list[Probability], Len(2, 2)],
    "amsgrad": bool,
    "alpha": BelowOne,
    "centered": bool,
    "eps": Positive,
    "max_iter": Annotated[PositiveInt, Le(10_000)],
    "history_size": Annotated[PositiveInt, Le(1000)],
    "line_search_fn": Literal["strong_wolfe"] | None,
    "tolerance_grad": NonNegative,
    "tolerance_change": NonNegative,
    "project": str,
    "entity": str | None,
    "group": str | None,
    "name": str | None,
    "run_name": str | None,
    "tags": list[str] | dict[str, str] | None,
    "offline": bool,
    "save_dir": str,
    "experiment_name": str,
    "tracking_uri": str,
}

_ROOT: dict[str, Any] = {
    "seed": Seed,
    "threads": Threads,
    "flush_denormals": bool,
    "watch": Literal["none", "light", "full"],
    "watch_every": PositiveInt | None,
    "monitor": str,
    "output_dir": Annotated[str, StringConstraints(pattern=r"^[^\x00]+$")],
    "init_from": str | None,
    "packages": list[str],
    "callbacks": dict[Any, Any],
    "files": dict[str, str],
    "choices": dict[str, str | None],
}


def check(cfg: DictConfig) -> None:
    """Check a whole config before anything is built.

    Raises:
        ConfigError: a line for each problem, with the key, its value and what it takes.
    """
    try:
        tree = plain(cfg, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key} is missing") from error
    assert isinstance(tree, dict)
    tree.setdefault("flush_denormals", False)  # configs of old runs lack it
    callbacks = tree["callbacks"] = {} if tree.get("callbacks") is None else tree["callbacks"]
    root = {str(key): value for key, value in tree.items() if key not in _GROUPS}
    problems = _check_fields("", root, _ROOT, others=[*_GROUPS])
    allowed = allowed_packages()
    unknown = [] if problems else [name for name in root["packages"] if name not in allowed]
    if unknown:
        raise ConfigError(
            f"packages: the config names classes of {printable(', '.join(unknown))}, whose code "
            f"runs only if you name it: packages=[{printable(','.join(root['packages']))}]"
        )
    for group, (base, home) in _GROUPS.items():
        if tree.get(group) is not None:
            problems += _check_node(group, tree[group], resolve_name(base), home)
        elif group != "logger":
            problems.append(f"{group} is missing")
    for name, node in callbacks.items() if isinstance(callbacks, dict) else ():
        if isinstance(name, str):
            base = resolve_name(_CALLBACK.base)
            problems += _check_node(f"callbacks.{printable(name)}", node, base, _CALLBACK.home)
        else:
            problems.append(f"callbacks must have names that are texts, got {name!r}")
    if problems:
        raise ConfigError("\n".join(problems))


def check_node(path: str, node: Any, base: type, home: str) -> None:
    """Check a node that is not part of a run's config.

    Args:
        path: the node's key, for errors.
        node: a mapping with `_target_`.
        base: the class of the object that it must make.
        home: the package that the target must be defined in.

    Raises:
        ConfigError: a line for each problem.
    """
    problems = _check_node(path, node, base, home)
    if problems:
        raise ConfigError("\n".join(problems))


def check_values(values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Check values against annotations.

    Args:
        values: key -> value; keys may be missing.
        fields: key -> annotation.

    Raises:
        ConfigError: a line for each problem.
    """
    problems = _check_fields("", values, fields, others=[], loose=True)
    if problems:
        raise ConfigError("\n".join(problems))


def build(path: str, node: Any, *given: Any) -> Any:
    """Build the object of a config node, with positional arguments from code.

    Inner nodes are built too. A node whose constructor needs positional arguments that are not
    given becomes a callable that takes them, as with Hydra's `_partial_`.

    Args:
        path: the node's key, for errors.
        node: a mapping with `_target_`.
        given: positional arguments of the target.

    Raises:
        ConfigError: the target refuses its settings; the message begins with the key.
    """
    if isinstance(node, DictConfig):
        node = plain(node)
    settings = {
        key: _build_inner(f"{path}.{key}", value)
        for key, value in node.items()
        if key != "_target_"
    }
    make = _Constructor(target(node), **settings)
    make.path = path
    return make(*given) if given or not make.needs_arguments else make


def _build_inner(path: str, value: Any) -> Any:
    if isinstance(value, dict) and "_target_" in value:
        return build(path, value)
    return value


class _Constructor(partial[Any]):
    """A constructor with its settings as keyword arguments, whose errors name the config key."""

    path: str

    @property
    def needs_arguments(self) -> bool:
        """Whether a positional argument without a default is missing."""
        return any(
            p.default is p.empty and p.kind is not p.KEYWORD_ONLY and p.kind is not p.VAR_KEYWORD
            for name, p in inspect.signature(self.func).parameters.items()
            if name not in self.keywords
        )

    def __call__(self, *given: Any) -> Any:
        try:
            inspect.signature(self.func).bind(*given, **self.keywords)
        except TypeError as error:
            raise ConfigError(f"{self.path}: {error}") from error
        try:
            with memory_errors_named(self.path):
                return self.func(*given, **self.keywords)
        except ConfigError as error:
            raise ConfigError(self._named(str(error))) from error
        except (ValueError, TypeError, ImportError, RuntimeError) as error:
            if _is_checked(self.func.__module__):
                raise
            raise ConfigError(f"{self.path}: {error}") from error

    def _named(self, text: str) -> str:
        """Prefix an error with the node's key, unless it begins with a whole key."""
        first = text.split(maxsplit=1)[0].rstrip(":")
        if text.startswith(("data.", "task.", "model.", "trainer.", self.path)):
            return text
        return f"{self.path}.{text}" if first in self.keywords else f"{self.path}: {text}"


def target(node: Any) -> Any:
    """Return the class or function of a node's `_target_`.

    Raises:
        ConfigError: a config may not name it.
    """
    found = _find(node["_target_"])
    if found is None:
        homes = ", ".join([*_HOMES, *allowed_packages()])
        raise ConfigError(f"{node['_target_']} is no class or function of {homes}")
    return found


def annotations_of(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config keys of a node's target with their annotations.

    Raises:
        ConfigError: a config may not name the target.
    """
    found = target(node)
    return _signature(found, _is_checked(found.__module__))


def _find(name: str) -> Callable[..., Any] | None:
    """Find the public class or function of a dotted name in the packages that configs may name.

    No other module is imported, nothing is called, and no attribute of an attribute is looked up:
    `rnnlab.runs.run.subprocess.Popen` is not found.
    """
    return _find_in(name, (*_HOMES, *allowed_packages()))


@cache
def _find_in(name: str, homes: tuple[str, ...]) -> Callable[..., Any] | None:
    module, _, last = name.rpartition(".")
    if not _within(homes, module) or not all(_is_public(part) for part in name.split(".")):
        return None
    found = getattr(import_module(module), last, None)
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        return None
    return found if found.__qualname__ == last and _within(homes, found.__module__) else None


def _is_checked(module: str) -> bool:
    """Whether a module is of rnnlab or an allowed package, whose annotations state ranges."""
    return _within(("rnnlab", *allowed_packages()), module)


def _within(homes: str | tuple[str, ...], module: str) -> bool:
    """Whether a module is one of the packages, or in one."""
    homes = (homes,) if isinstance(homes, str) else homes
    return any(f"{module}.".startswith(f"{home}.") for home in homes)


def _is_public(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_")


def _makes(target: Callable[..., Any], base: type) -> bool:
    """Whether a target is a concrete subclass, or a function annotated to return one."""
    made = target if inspect.isclass(target) else inspect.signature(target).return_annotation
    return inspect.isclass(made) and issubclass(made, base) and not inspect.isabstract(made)


def _check_node(path: str, node: Any, base: type, home: str) -> list[str]:
    """Check a node, and all nodes inside it, against the signatures of their targets.

    Returns:
        The problems.
    """
    if not isinstance(node, dict) or "_target_" not in node:
        return [f"{path} must be a mapping with _target_, got {_format(node)}"]
    if not isinstance(node["_target_"], str):
        return [f"{path}._target_ must be a text, got {_format(node['_target_'])}"]
    name, reason = node["_target_"], ""
    try:
        target = _find(name)
    except Exception as error:  # importing the module failed
        target, reason = None, f" ({error})"
    homes = (home, *allowed_packages())
    if target is None or not _within(homes, target.__module__) or not _makes(target, base):
        wanted = f"{path}._target_ must name a kind of {base.__name__} in {' or '.join(homes)}"
        return [f"{wanted}, got {_format(name)[1:-1]}{reason}"]
    settings = {str(key): value for key, value in node.items() if key != "_target_"}
    ours = _is_checked(target.__module__)
    fields = dict(_signature(target, ours))
    inner = {
        key: kind
        for key, value in settings.items()
        if isinstance(value, dict) and (kind := _inner_kind(fields.get(key)))
    }
    fields |= dict.fromkeys(inner, Any)
    problems = _check_fields(path, settings, fields, others=[], loose=not ours)
    for key, kind in inner.items():
        problems += _check_node(f"{path}.{key}", settings[key], kind, "rnnlab")
    return problems


def _inner_kind(annotation: Any) -> type | None:
    """Return the class that an annotation asks a node to make: `Cell` of `Callable[..., Cell]`."""
    parts = (annotation, *get_args(annotation))
    ours = (part for part in parts if inspect.isclass(part) and _is_checked(part.__module__))
    return next(ours, None)


@cache
def _signature(target: Callable[..., Any], ours: bool) -> Mapping[str, Any]:
    """Return the config keys of a target with their annotations.

    Args:
        target: a class or function.
        ours: whether its keyword-only parameters are config keys; else those in `_LIBRARY_FIELDS`.
    """
    parameters = inspect.signature(target).parameters
    if not ours:
        return {name: _LIBRARY_FIELDS[name] for name in parameters if name in _LIBRARY_FIELDS}
    function = target.__init__ if inspect.isclass(target) else target
    hints = get_type_hints(function, include_extras=True)
    keys = [name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
    return {name: hints.get(name, Any) for name in keys}


def _check_fields(
    path: str,
    values: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    others: list[str],
    loose: bool = False,
) -> list[str]:
    """Check values against annotations.

    Args:
        path: the key of the mapping, for errors.
        values: key -> value.
        fields: key -> annotation.
        others: keys that are allowed and checked elsewhere.
        loose: whether keys may be missing.

    Returns:
        The problems.
    """
    prefix = f"{path}." if path else ""
    problems = []
    for key in values:
        if key not in fields and key not in others:
            near = nearest(key, dict.fromkeys([*fields, *others]))
            takes = f"it takes {', '.join(fields) or 'none'}"
            hint = f"did you mean {prefix}{near[0]}?" if near else takes
            problems.append(f"{prefix}{printable(key)} is not a setting: {hint}")
    model = _fields_model(tuple(fields.items()), loose)
    try:
        model.model_validate({_safe(key): value for key, value in values.items() if key in fields})
    except ValidationError as error:
        wanted: dict[str, list[str]] = {}
        found = error.errors()
        # Of a number or a list, a list with a wrong entry is no wrong number.
        entries = {p["loc"][0] for p in found if any(isinstance(at, int) for at in p["loc"])}
        for problem in found:
            name, *inside = problem["loc"]
            if name not in entries or any(isinstance(at, int) for at in inside):
                wanted.setdefault(str(name)[len("field_") :], []).append(requirement(problem))
        for key, requirements in wanted.items():
            if requirements == ["missing"]:
                problems.append(f"{prefix}{key} is missing")
            else:
                takes = " or ".join(dict.fromkeys(requirements))
                problems.append(f"{prefix}{key} must be {takes}, got {_format(values.get(key))}")
    return problems


@cache
def _fields_model(fields: tuple[tuple[str, Any], ...], loose: bool) -> type[BaseModel]:
    return create_model(
        "Settings",
        __config__=ConfigDict(arbitrary_types_allowed=True, strict=True, allow_inf_nan=False),
        **{_safe(key): (kind, None if loose else ...) for key, kind in fields},  # type: ignore[call-overload]
    )


def _safe(key: str) -> str:
    return f"field_{key}"  # pydantic reserves some names


def _format(value: Any) -> str:
    """Format a value in at most 100 characters."""
    return brief("null" if value is None else repr(value), 100)


def requirement(problem: Any) -> str:
    """Translate a validation error of pydantic into what the key takes."""
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
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "string_type": "a text",
        "string_unicode": "a text in Unicode",
        "string_pattern_mismatch": "a text that is not empty",
        "list_type": "a list",
        "dict_type": "a mapping",
        "too_short": _list_of(context.get("min_length")),
        "too_long": f"a list of {context.get('max_length')}",
        "none_required": "null",
        "callable_type": "a mapping with _target_",
        "is_instance_of": "a mapping with _target_",
    }
    return texts.get(problem["type"], problem["msg"])


def _list_of(least: int | None) -> str:
    return "a list that is not empty" if least == 1 else f"a list of {least}"
