"""Pipelines: the steps that one trace goes through."""

from __future__ import annotations
