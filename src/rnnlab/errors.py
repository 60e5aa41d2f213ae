"""How we end: the one error that the user can mend in the config, and a status."""

TERMINATED = 143
"""Exit status after SIGTERM: 128 and its number, as shells count."""


class ConfigError(ValueError):
    """A setting is wrong; the message names the key, what it got and what it takes."""
