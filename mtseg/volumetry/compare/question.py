"""What is asked of a table of volumes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from mtseg.errors import Problem, ProblemsError


class SiteEffect(StrEnum):
    """How differences between sites are dealt with."""

    FIXED = "fixed"
    RANDOM = "random"
    COMBAT = "combat"


@dataclass(frozen=True)
class Question:
    """Which columns are compared, and how.

    Attributes:
        group: Column of the groups.
        measures: Columns of the volumes.
        covariates: Columns that are taken into account, the site among them however it is dealt with.
        age: Column of `covariates` to correlate with; None if it is not among them.
        sex: Column of `covariates` by which everything is repeated; None if it is not among them.
        site: Column of `covariates`; None if it is not among them.
        severity: Column to correlate with.
        site_effect: See `SiteEffect`.
    """

    group: str
    measures: tuple[str, ...]
    covariates: tuple[str, ...]
    age: str | None
    sex: str | None
    site: str | None
    severity: str | None
    site_effect: SiteEffect

    @property
    def cluster(self) -> str | None:
        """Column whose categories get a random mean."""
        return self.site if self.site_effect is SiteEffect.RANDOM else None

    @property
    def modelled(self) -> tuple[str, ...]:
        """Covariates of the linear model, which ComBat keeps: a site that is random, or that it removes, is none."""
        return tuple(name for name in self.covariates if self.site_effect is SiteEffect.FIXED or name != self.site)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Columns that the volumes are correlated with."""
        return tuple(name for name in (self.age, self.severity) if name)

    def taken_out(self, predictor: str) -> tuple[str, ...]:
        """Covariates of a correlation: all but the predictor, the site among them unless ComBat makes that needless.

        That is so for a predictor that ComBat kept. Of any other, such as the severity, it has taken the differences
        between sites along with the volumes' own, while the predictor still has its: the site is taken out of both.
        """
        done = self.site_effect is SiteEffect.COMBAT and predictor in self.modelled
        return tuple(name for name in self.covariates if name != predictor and not (done and name == self.site))


def ask(
    *,
    group: str,
    covariates: Sequence[str],
    measures: Sequence[str],
    age: str,
    sex: str,
    site: str,
    severity: str | None,
    site_effect: str,
) -> Question:
    """Check that the columns have different roles.

    Raises:
        ProblemsError: A column has two roles, or `site_effect` needs a site.
    """
    roles = [group, *covariates, *measures, *([severity] if severity else [])]
    problems = [
        Problem("", name, "the column is named twice", "Give every column one role")
        for name in dict.fromkeys(roles)
        if roles.count(name) > 1
    ]
    age_, sex_, site_ = (_among(covariates, name) for name in (age, sex, site))
    known = [effect.value for effect in SiteEffect]
    if site_effect not in known:
        problems.append(Problem("", "--site-effect", f"'{site_effect}' is unknown", f"Choose {', '.join(known)}"))
    elif site_effect != SiteEffect.FIXED and not site_:
        remedy = f"Add '{site}' to them, or name the column by --site"
        problems.append(Problem("", "--site-effect", f"'{site}' is not among the covariates", remedy))
    if problems:
        raise ProblemsError(problems)
    return Question(group, tuple(measures), tuple(covariates), age_, sex_, site_, severity, SiteEffect(site_effect))


def _among(covariates: Sequence[str], name: str) -> str | None:
    """The covariate of a name, or else one that differs from it in capitals only."""
    same = [name, *(other for other in covariates if other.lower() == name.lower())]
    return next((other for other in same if other in covariates), None)


def strata(table: pd.DataFrame, question: Question) -> dict[str, pd.DataFrame]:
    """Everybody, and then each sex if it is a covariate; by name."""
    parts = {ALL: table}
    if question.sex:
        parts |= {str(name): part for name, part in table.groupby(question.sex)}
    return parts


ALL = "all"
"""Name of the stratum, and of the group, that has everybody."""
