"""Numbers with intervals over subjects, comparisons of two scores (paired) and of two groups."""

from mtseg.statistics.answers import Answers, answers
from mtseg.statistics.bootstrap import Estimate, estimate
from mtseg.statistics.calibration import reliability
from mtseg.statistics.delong import AucComparison, compare_auc
from mtseg.statistics.groups import compare_groups, expected_by_chance
from mtseg.statistics.roc import roc_band
from mtseg.statistics.simple_scores import simple_scores_table
from mtseg.statistics.summary import ALL, means_table, summary_table

__all__ = [
    "ALL",
    "Answers",
    "AucComparison",
    "Estimate",
    "answers",
    "compare_auc",
    "compare_groups",
    "estimate",
    "expected_by_chance",
    "means_table",
    "reliability",
    "roc_band",
    "simple_scores_table",
    "summary_table",
]
