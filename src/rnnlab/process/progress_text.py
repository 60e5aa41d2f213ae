"""Texts of progress: rates, times, and the format of the bar."""

# The bar comes last: a narrow terminal cuts it, and not the loss.
BAR = "{desc} {percentage:3.0f}% {n_fmt}/{total_fmt}{postfix}, {remaining} left |{bar}|"
"""`bar_format` of tqdm."""


def rate(value: float) -> str:
    """Format a rate with three digits, and k or M."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def clock(seconds: float) -> str:
    """Format a time as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
