"""The one error that means: the user can mend this in the config."""


class ConfigError(ValueError):
    """A setting is wrong; the message names the key, what it got and what it takes."""
