"""A whole training directory, checkpoint by checkpoint, under one plan."""

from migration.model_dir.migrating import migrate_directory
from migration.model_dir.report import DirectoryReport, MigratedCheckpoint, Outcome

__all__ = ["DirectoryReport", "MigratedCheckpoint", "Outcome", "migrate_directory"]
