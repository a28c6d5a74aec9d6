"""The way back: an object-based optimizer's state under TF1 names."""

from __future__ import annotations

names_of = None
