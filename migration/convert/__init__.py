"""A plan executed: pieces, their places, the bytes, the index."""

from migration.convert.execute import Receipt, execute

__all__ = ["Receipt", "execute"]
