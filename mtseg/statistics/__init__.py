"""Numbers with intervals over subjects, comparisons of two scores (paired) and of two groups."""

from mtseg.statistics.answers import Answers, answers
from mtseg.statistics.bootstrap import Estimate, estimate
from mtseg.statistics.calibration import reliability
from mtseg.statistics.corrections import false_discovery, holm
from mtseg.statistics.cross_fitted import cross_fitted_scores
from mtseg.statistics.delong import AucComparison, compare_auc
from mtseg.statistics.ensembles import EnsembleUncertainty, ensemble_uncertainty
from mtseg.statistics.groups import compare_groups, expected_by_chance
from mtseg.statistics.paired import Paired, paired_accuracy, paired_auc, paired_numbers
from mtseg.statistics.roc import roc_band
from mtseg.statistics.seeds import average_seeds, check_cases
from mtseg.statistics.selective import aurc, score_at_coverage
from mtseg.statistics.simple_scores import simple_scores_table
from mtseg.statistics.summary import ALL, means_table, summary_table
from mtseg.statistics.temperature import apply_temperature, calibration_change, fit_temperature, log_odds
from mtseg.statistics.variants import compare_variants, pool_variants

__all__ = [
    "ALL",
    "Answers",
    "AucComparison",
    "EnsembleUncertainty",
    "Estimate",
    "Paired",
    "answers",
    "apply_temperature",
    "aurc",
    "average_seeds",
    "calibration_change",
    "check_cases",
    "compare_auc",
    "compare_groups",
    "compare_variants",
    "cross_fitted_scores",
    "ensemble_uncertainty",
    "estimate",
    "expected_by_chance",
    "false_discovery",
    "fit_temperature",
    "holm",
    "log_odds",
    "means_table",
    "paired_accuracy",
    "paired_auc",
    "paired_numbers",
    "pool_variants",
    "reliability",
    "roc_band",
    "score_at_coverage",
    "simple_scores_table",
    "summary_table",
]
