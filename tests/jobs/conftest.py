"""The inspection line of tests.learning."""

from tests.learning import finish, line, runner, scientist, settings

__all__ = ["finish", "line", "runner", "scientist", "settings"]
