"""Pictures that rnnlab has written, by name, which a notebook shows."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from rnnlab.files.untrusted import read_bytes
from rnnlab.spelling import printable

_LARGEST = 2**24  # bytes of a picture
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Figures(Mapping[str, Path]):
    """PNG files by name: `figures["states"]` is a path, and a notebook shows them all.

    Args:
        paths: name -> file.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)

    def __getitem__(self, name: str) -> Path:
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"Figures({', '.join(self._paths) or 'none'})"

    def _repr_html_(self) -> str:
        shown = (f"<h4>{escape(printable(name))}</h4>{embed(path)}" for name, path in self.items())
        return "\n".join(shown) or "<i>no figures</i>"


def embed(path: Path) -> str:
    """Return a PNG file as an HTML image that holds its content.

    Raises:
        ConfigError: it is missing, too large or no regular file.
    """
    return image(read_bytes(path, largest=_LARGEST))


def image(content: bytes) -> str:
    """Return the content of a PNG file as an HTML image; of any other, a few words."""
    if not content.startswith(_SIGNATURE):
        return "<i>no picture</i>"
    return (
        f'<img style="max-width: 100%" src="data:image/png;base64,{b64encode(content).decode()}">'
    )
