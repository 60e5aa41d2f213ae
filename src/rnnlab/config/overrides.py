"""Parsing and formatting of Hydra's overrides, with errors that name the mistake."""

import os
import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from rnnlab.errors import ConfigError
from rnnlab.spelling import first_line

_PATH = re.compile(r"(\+{0,2}(?:task\.(?:\w+_)?path|logger\.save_dir|init_from|output_dir))=(.*)")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def parse_override(text: str) -> Override:
    """Parse an override.

    Raises:
        ConfigError: it is not of Hydra's grammar.
    """
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError, RecursionError) as error:
        message = f"{quote_short(text)} can't be read as KEY=VALUE: {_mistake(text, error)}"
        raise ConfigError(message) from error


def format_value(value: Any) -> str:
    """Format a value so that Hydra parses it as the same value."""
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, list):
        return f"[{','.join(map(format_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{format_value(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else repr(value)


def quote_short(text: str) -> str:
    """Quote a text, shortened to 100 characters."""
    return repr(text if len(text) <= 100 else f"{text[:97]}...")


def _mistake(text: str, error: Exception) -> str:
    """Describe the mistake in an override that Hydra can't parse."""
    key, equals, value = text.partition("=")
    if not equals:
        colon = re.fullmatch(r"([\w./@]+):(.+)", text)
        return "it has no =" + (f": did you mean {colon[1]}={colon[2]}?" if colon else "")
    if key.startswith("-"):
        return "settings are given without dashes"
    if bad := re.search(r"[^\w.\-/@+~$:]", key):
        return f"its key can't hold {bad[0]!r}"
    quotes = _quoting(key, value, text)
    if value.startswith("="):
        return f"it has = twice{quotes}"
    if not re.search(r"[\[\](){}'\"]", value) and "" in [part.strip() for part in value.split(",")]:
        return "a value is missing beside a comma"
    if unclosed := _unclosed(value):
        return f"{unclosed}{quotes}"
    message = str(error)
    if sign := re.match(r"token recognition error at: '(.)", message, re.DOTALL):
        needs = " outside quotes" if sign[1].isprintable() else ""
        return f"its value can't hold {sign[1]!r}{needs}{quotes}"
    if sign := re.match(r"(?:extraneous|mismatched) input ' *(.).*' expecting", message, re.DOTALL):
        return f"{sign[1]!r} can't stand there outside quotes{quotes}"
    if message.startswith("no viable alternative"):
        return f"its brackets hold no list and no mapping{quotes}"
    return first_line(error)


def _quoting(key: str, value: str, text: str) -> str:
    """Suggest the value in quotes, if that is possible."""
    if not text.isprintable() or len(text) > 100 or re.search(r"['\"\\]", value):
        return ""
    return f"; a text with signs stands in quotes: '{key}=\"{value}\"'"


def _unclosed(value: str) -> str | None:
    """Describe the first bracket or quote that is not closed or not opened."""
    awaited: list[tuple[str, str]] = []
    quote = ""
    for letter in re.sub(r"\\.", "", value):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _PAIRS:
            awaited.append((letter, _PAIRS[letter]))
        elif letter in _PAIRS.values() and (not awaited or awaited.pop()[1] != letter):
            return f"a {letter} closes nothing"
    if quote:
        return f"a {quote} is not closed"
    return f"a {awaited[-1][0]} is not closed" if awaited else None


def with_quoted_paths(overrides: Sequence[str], *, several: bool = False) -> list[str]:
    """Quote paths in overrides where Hydra would misread them, and expand `~` as a shell does.

    A path may contain characters that Hydra's grammar excludes, and an existing path a comma.

    Args:
        overrides: the overrides as typed.
        several: whether a comma may separate values, as with `-m`.
    """
    return [
        f"{match[1]}={_quote_paths(match[1], match[2], several)}"
        if (match := _PATH.fullmatch(text)) and text.isprintable()
        else text
        for text in overrides
    ]


def _quote_paths(key: str, value: str, several: bool) -> str:
    if not value or "${" in value or (value[0] in "[{" and not _exists(value)):
        return value
    if "," not in value or value[0] in "'\"" or _is_call(value):
        return _quote_path(key, value)
    parts = value.split(",")
    whole = _exists(value) and not (several and all(map(_exists, parts)))
    if whole:
        return _quote_path(key, value)
    if not several:
        return value  # refused later, as a sweep or as unreadable
    return ",".join(_quote_path(key, part) for part in parts)


def _quote_path(key: str, value: str) -> str:
    """Quote one path if Hydra would not parse it as that text, or if it begins with `~`."""
    try:
        override = parse_override(f"{key}={value}")
    except ConfigError:
        return value if value[:1] in ("", "'", '"') else _as_text(key, os.path.expanduser(value))
    if override.is_sweep_override():
        return _as_text(key, os.path.expanduser(value)) if _exists(value) else value
    parsed = override.value()
    if isinstance(parsed, str) and parsed.startswith("~"):
        return _as_text(key, os.path.expanduser(parsed))
    if not isinstance(parsed, str | None) and _exists(value):
        return _as_text(key, value)  # a file called 2024
    return value


def _as_text(key: str, text: str) -> str:
    """Format a text so that Hydra parses it as one value, with quotes only if it needs them."""
    try:
        override = parse_override(f"{key}={text}")
        if not override.is_sweep_override() and override.value() == text:
            return text
    except ConfigError:
        pass
    return format_value(text)


def _is_call(value: str) -> bool:
    return re.match(r"(choice|glob|range|interval|shuffle|sort|tag)\(", value) is not None


def _exists(value: str) -> bool:
    try:
        return os.path.exists(os.path.expanduser(value.strip()))
    except ValueError:  # a NUL
        return False
