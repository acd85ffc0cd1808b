"""Numbers with intervals over subjects, comparisons of two scores (paired) and of two groups."""

from mtseg.statistics.answers import Answers, answers
from mtseg.statistics.bootstrap import Estimate, estimate
from mtseg.statistics.calibration import reliability
from mtseg.statistics.corrections import false_discovery, holm
from mtseg.statistics.cross_fitted import cross_fitted_scores
from mtseg.statistics.delong import AucComparison, compare_auc
from mtseg.statistics.ensembles import (
    EnsembleUncertainty,
    average_members,
    ensemble_uncertainty,
    entropy,
    mutual_information,
)
from mtseg.statistics.groups import compare_groups, expected_by_chance
from mtseg.statistics.logistic_scores import logistic_scores_table
from mtseg.statistics.paired import Paired, paired_accuracy, paired_auc, paired_numbers
from mtseg.statistics.roc import roc_band
from mtseg.statistics.seeds import SEED, VARIANT, average_images, average_seeds, check_cases
from mtseg.statistics.selective import aurc, score_at_coverage, selective_table
from mtseg.statistics.simple_scores import simple_scores_table
from mtseg.statistics.summary import ALL, means_table, summary_table
from mtseg.statistics.temperature import apply_temperature, calibration_change, fit_temperature, log_odds
from mtseg.statistics.variants import compare_variants, pool_variants

__all__ = [
    "ALL",
    "SEED",
    "VARIANT",
    "Answers",
    "AucComparison",
    "EnsembleUncertainty",
    "Estimate",
    "Paired",
    "answers",
    "apply_temperature",
    "aurc",
    "average_images",
    "average_members",
    "average_seeds",
    "calibration_change",
    "check_cases",
    "compare_auc",
    "compare_groups",
    "compare_variants",
    "cross_fitted_scores",
    "ensemble_uncertainty",
    "entropy",
    "estimate",
    "expected_by_chance",
    "false_discovery",
    "fit_temperature",
    "holm",
    "log_odds",
    "logistic_scores_table",
    "means_table",
    "mutual_information",
    "paired_accuracy",
    "paired_auc",
    "paired_numbers",
    "pool_variants",
    "reliability",
    "roc_band",
    "score_at_coverage",
    "selective_table",
    "simple_scores_table",
    "summary_table",
]
