"""From a table to the folder of a comparison."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mtseg.files import write_table
from mtseg.keys import File
from mtseg.provenance import check_command, write_run
from mtseg.report.figure import style
from mtseg.report.page import write_page
from mtseg.report.text import readable
from mtseg.volumetry.compare.analyse import analyse
from mtseg.volumetry.compare.figures import adjusted_means, against
from mtseg.volumetry.compare.page import notes_of, result_of, sections_of
from mtseg.volumetry.compare.question import SiteEffect, ask
from mtseg.volumetry.pictures import save
from mtseg.volumetry.subjects import measures_of, read_subjects

COMMAND = "volumes compare"


def compare_volumes(
    table: str | os.PathLike,
    *,
    out: str | os.PathLike,
    group: str,
    covariates: Sequence[str] = (),
    measures: Sequence[str] = (),
    participants: str | os.PathLike | None = None,
    age: str = "age",
    sex: str = "sex",
    site: str = "site",
    severity: str | None = None,
    site_effect: str = SiteEffect.FIXED,
    drop_flagged: bool = False,
) -> Path:
    """Compare groups of subjects in their volumes, and write tables, pictures and a page.

    Args:
        table: One row per subject (TSV, CSV, Parquet).
        out: Folder for the results.
        group: Column of the groups.
        covariates: Columns that are taken into account; group, `sex` and `site` are categories, others if they are no
            numbers.
        measures: Columns that are compared; by default those of left_mm3, right_mm3, total_mm3 that are there.
        participants: Table with the columns that `table` lacks, joined by participant_id.
        age: Covariate that the volumes are correlated with, if it is one.
        sex: Covariate by which everything is repeated, if it is one.
        site: Covariate that `site_effect` is about.
        severity: Column of numbers that the volumes are correlated with; subjects may lack it.
        site_effect: "fixed", "random" or "combat".
        drop_flagged: Leave out whoever has something in the column `flags` of `table`.

    Returns:
        The page.

    Raises:
        InputError: The tables or the question are not in order, everything that is wrong at once; or the folder holds
            the results of another command.
    """
    check_command(out, COMMAND)
    measures = measures or measures_of(table)
    question = ask(
        group=group,
        covariates=covariates,
        measures=measures,
        age=age,
        sex=sex,
        site=site,
        severity=severity,
        site_effect=site_effect,
    )
    categories = [group, *(name for name in (question.sex, question.site) if name)]
    subjects = read_subjects(
        table,
        participants=participants,
        categories=categories,
        numbers=[*measures, *([question.age] if question.age else [])],
        either=[name for name in covariates if name not in (question.age, question.sex, question.site)],
        optional=[severity] if severity else [],
        drop_flagged=drop_flagged,
    )
    found = analyse(subjects.table, question)
    out = Path(out)
    tables = {
        File.DESCRIPTION: found.description,
        File.ANCOVA: found.terms,
        File.ADJUSTED_MEANS: found.means,
        File.PAIRS: found.pairs,
        File.CHECKS: found.checks,
        File.CORRELATIONS: found.correlations,
        File.ASYMMETRY: found.asymmetry,
        File.EXCLUDED: subjects.excluded,
    }
    for file in out.glob("figures/against_*"):  # of an earlier question
        file.unlink()
    with style():
        caption = f"Every subject at mean covariates; beside them the adjusted means by {readable(group)}."
        pictures = {"adjusted_means": save(adjusted_means(found, question), out, "adjusted_means", caption=caption)}
        for predictor in question.predictors:
            figure = against(found, question, predictor)
            if figure:
                caption = f"Adjusted volumes against {readable(predictor)}."
                pictures[predictor] = save(figure, out, f"against_{predictor}", caption=caption)
    for name, frame in tables.items():
        if frame is not None and len(frame):
            write_table(frame, out / name)
        else:  # of an earlier question
            (out / name).unlink(missing_ok=True)
    write_run(
        out,
        command=COMMAND,
        table=str(table),
        participants=str(participants) if participants else None,
        data=subjects.fingerprint,
        question=vars(question),
        drop_flagged=drop_flagged,
        n=len(subjects.table),
    )
    write_page(
        out / File.REPORT,
        title=f"Volumes by {readable(group)}",
        result=result_of(found, question),
        n=len(subjects.table),
        sections=sections_of(found, question, subjects.excluded, pictures),
        notes=notes_of(found, question, subjects),
        run=json.loads((out / File.RUN).read_text()),
    )
    return out / File.REPORT
