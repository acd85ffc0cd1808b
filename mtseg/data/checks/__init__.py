"""Everything that can be wrong with a cohort, found before any computing starts and reported in one list."""

from mtseg.data.checks.run import NOTES, check_cohort, require_usable

__all__ = ["NOTES", "check_cohort", "require_usable"]
