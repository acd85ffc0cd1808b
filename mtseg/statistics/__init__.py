"""Numbers with intervals over subjects, and paired comparisons of two scores."""

from mtseg.statistics.answers import Answers, answers
from mtseg.statistics.bootstrap import Estimate, estimate
from mtseg.statistics.calibration import reliability
from mtseg.statistics.delong import AucComparison, compare_auc
from mtseg.statistics.roc import roc_band
from mtseg.statistics.simple_scores import simple_scores_table
from mtseg.statistics.summary import ALL, summary_table

__all__ = [
    "ALL",
    "Answers",
    "AucComparison",
    "Estimate",
    "answers",
    "compare_auc",
    "estimate",
    "reliability",
    "roc_band",
    "simple_scores_table",
    "summary_table",
]
