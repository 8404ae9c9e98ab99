"""The inspection line of tests.learning, whose worker also writes reports."""

from tests.learning import finish, line, runner, scientist, settings

__all__ = ["finish", "line", "runner", "scientist", "settings"]
