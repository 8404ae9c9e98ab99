"""Embeddings of media, and what performance over time keeps."""

from __future__ import annotations
