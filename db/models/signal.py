"""Feedback on predictions, and what processes use of the machine."""

from __future__ import annotations
