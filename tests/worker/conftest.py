"""The inspection line of tests.learning."""

from tests.learning import line, scientist, settings

__all__ = ["line", "scientist", "settings"]
