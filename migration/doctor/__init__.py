"""What a path is, what is wrong with it, and what mends it."""

from migration.doctor.examination import examine
from migration.doctor.findings import Diagnosis, Finding
from migration.doctor.mending import mend

__all__ = ["Diagnosis", "Finding", "examine", "mend"]
