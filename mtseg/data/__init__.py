"""Cohorts: from a table and a folder of images to checked records."""

from mtseg.data.cache import cached_dataset
from mtseg.data.checks import check_cohort, require_usable
from mtseg.data.cohort import Cohort, read_cohort
from mtseg.data.stream import SubjectStream
from mtseg.data.tables import write_cohort
from mtseg.data.training import prediction_records, training_records, training_split

__all__ = [
    "Cohort",
    "SubjectStream",
    "cached_dataset",
    "check_cohort",
    "prediction_records",
    "read_cohort",
    "require_usable",
    "training_records",
    "training_split",
    "write_cohort",
]
