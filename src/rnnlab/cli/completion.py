"""Tab completion: `eval "$(rnnlab-train -sc install=bash)"` installs it for all commands.

So it does in zsh, and `rnnlab-train -sc install=fish | source` in fish. The shell's function asks
the command itself, by `-sc query=bash` and the line in `COMP_LINE` as Hydra does it. `rnnlab-train`
answers about paths, and leaves groups and settings to Hydra.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from rnnlab.errors import ConfigError

COMMANDS = (
    *("train", "evaluate", "sample", "predict", "export", "list", "diff", "analyze", "runs"),
    *("report", "reproduce"),
)
_OPTIONS = ("-sc", "--shell-completion")
_RUNS = ("run", "resume", "init_from")
"""Keys that take the directory of a run."""

_FILES = re.compile(r"task\.(\w+_)?path|input|output|output_dir|prompt_file|answer_file")
"""Keys that take a path."""

_BASH = """\
_rnnlab_complete() {{
    local line=${{COMP_LINE:0:$COMP_POINT}} IFS=$'\\n' found each word head=
    found=$(COMP_LINE="$line" "${{COMP_WORDS[0]}}" -sc query=bash 2> /dev/null)
    if [ "${{COMP_WORDS[0]##*/}}" = rnnlab-train ]; then
        found=${{found// /$'\\n'}}  # as Hydra answers
    fi
    word=${{line##*[[:space:]]}}
    case $COMP_WORDBREAKS in *=*) head=${{word%"${{word##*=}}"}} ;; esac
    COMPREPLY=()
    for each in $found; do
        case $each in
            "$word"*[=/.]) COMPREPLY+=("${{each#"$head"}}") ;;
            "$word"*) COMPREPLY+=("${{each#"$head"}} ") ;;
        esac
    done
}}
if [ -n "$ZSH_VERSION" ]; then autoload -U +X compinit bashcompinit; compinit; bashcompinit; fi
complete -o nospace -F _rnnlab_complete {commands}"""

_FISH = """\
function _rnnlab_complete
    set -l line (commandline -cp)
    set -l name (commandline -opc)[1]
    set -l found (COMP_LINE="$line" $name -sc query=bash 2> /dev/null)
    if string match -q '*rnnlab-train' $name
        set found (string split -n ' ' -- $found)  # as Hydra answers
    end
    printf '%s\\n' $found
end
for name in {commands}
    complete -c $name -f -a '(_rnnlab_complete)'
end"""

_SCRIPTS = {"bash": _BASH, "zsh": _BASH, "fish": _FISH}
"""Shell -> the function that it is given; zsh can read bash's."""


@dataclass(frozen=True)
class Completions:
    """What can stand on the line of a command.

    Attributes:
        fields: its keys, each with its annotation.
        words: returns words that are no `KEY=VALUE`.
        directories: whether directories of runs may stand alone.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    words: Callable[[], Iterable[str]] = tuple
    directories: bool = False


def is_query(arguments: Sequence[str]) -> bool:
    """Whether the shell asks what can be typed next."""
    return list(arguments[:2]) in [[option, "query=bash"] for option in _OPTIONS]


def script(arguments: Sequence[str]) -> str | None:
    """Return the function that a shell asks for to install it; `None` if none does."""
    for option, (shell, text) in product(_OPTIONS, _SCRIPTS.items()):
        if list(arguments[:2]) == [option, f"install={shell}"]:
            return text.format(commands=" ".join(f"rnnlab-{name}" for name in COMMANDS))
    return None


def candidates(completions: Completions) -> list[str]:
    """Return what the last word on the line in `COMP_LINE` can become."""
    line = os.environ.get("COMP_LINE", "")
    words = [*line.split(), *([""] if line[-1:].isspace() else [])][1:]
    word = words[-1] if words else ""
    key, equals, _ = word.partition("=")
    if (paths := path_candidates(word)) is not None:
        return paths
    settings = dict(_settings(words))
    if equals:
        known = _options(completions.fields.get(key))
        present = [] if key not in settings else [str(settings[key])]
        found = [f"{key}={option}" for option in [*known, *present]]
    else:
        found = [f"{name}=" for name in completions.fields]
        found += [f"{name}=" for name in settings if word]
        found += [*completions.words()]
        found += ["--help", "--version"] if word.startswith("-") else []
        found += directories(word) if completions.directories else []
    return [each for each in dict.fromkeys(found) if each.startswith(word)]


def path_candidates(word: str) -> list[str] | None:
    """Return what `KEY=PATH` can become; `None` for other words."""
    key, equals, value = word.partition("=")
    if not equals:
        return None
    if key in _RUNS:
        return [f"{key}={path}" for path in directories(value)]
    if _FILES.fullmatch(key.lstrip("+")):
        return [f"{key}={path}" for path in _paths(value, files=True)]
    return None


def directories(text: str) -> list[str]:
    """Return the directories that a path can become, runs without a slash at their end.

    Where there is one only, it is looked into.
    """
    found = _paths(text, files=False)
    while len(found) == 1 and found[0].endswith("/") and (inner := _paths(found[0], files=False)):
        found = inner
    return found


def _paths(text: str, *, files: bool) -> list[str]:
    head, _, begin = text.rpartition("/")
    head = f"{head}/" if "/" in text else ""
    try:
        inside = sorted(Path(head or ".").expanduser().iterdir())
    except (OSError, RuntimeError):
        return []
    found = []
    for path in inside:
        if not path.name.startswith(begin) or (path.name.startswith(".") and not begin):
            continue
        if path.is_dir():
            is_run = (path / "config.yaml").is_file()
            found.append(f"{head}{path.name}{'' if is_run and not files else '/'}")
        elif files:
            found.append(f"{head}{path.name}")
    return found


def _options(annotation: Any) -> list[str]:
    """Return the values that an annotation allows, if they can be counted."""
    if annotation is bool:
        return ["false", "true"]
    if get_origin(annotation) is Literal:
        return [str(option) for option in get_args(annotation)]
    return [option for part in get_args(annotation) for option in _options(part)]


def _settings(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of task and data of the run that the line names."""
    from rnnlab.config.stored import read_settings

    named = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    for path in named[-1:]:
        try:
            config = read_settings(Path(path).expanduser() / "config.yaml")
        except (ConfigError, RuntimeError):
            return
        for part in ("task", "data"):
            settings = config.get(part)
            for key, value in settings.items() if isinstance(settings, dict) else ():
                if not str(key).startswith("_") and not isinstance(value, dict):
                    yield f"{part}.{key}", "null" if value is None else value
