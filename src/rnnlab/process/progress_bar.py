"""The progress bar: on a terminal, and in a notebook."""

import sys
import warnings
from typing import Any

BAR = "{desc} {percentage:3.0f}% {n_fmt}/{total_fmt}{postfix}, {remaining} left |{bar}|"
"""`bar_format` of tqdm. The bar comes last: a narrow terminal cuts it, and not the loss."""


def open_bar(total: int, done: int) -> Any:
    """Open a bar of tqdm, or return `None` where lines must do, as in a log file.

    In a notebook it is a widget where ipywidgets is installed, else a line of text.

    Args:
        total: number of updates.
        done: updates done before.
    """
    if not in_notebook() and not sys.stderr.isatty():
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # a line of text is enough
        from tqdm.auto import tqdm

    return tqdm(total=total, initial=done, desc="train", bar_format=BAR, dynamic_ncols=True)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config
