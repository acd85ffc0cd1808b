import pytest

from mtseg import demo
from mtseg.files import read_table

SUBJECTS = 20


@pytest.fixture
def coarse(monkeypatch):
    """Render the template cohort in voxels of 8 mm instead of 3."""
    make = demo.make_template_cohort
    monkeypatch.setattr(demo, "make_template_cohort", lambda folder, **given: make(folder, spacing=8.0, **given))


def test_the_demo_ends_in_a_report_on_unseen_subjects(coarse, tmp_path, tiny_settings):
    settings = [*tiny_settings, "epochs=1", "spacing=[8, 8, 8]", "patch_size=[16, 24, 20]"]
    report = demo.run(tmp_path, subjects=SUBJECTS, settings=settings)
    assert report == tmp_path / "evaluation" / "report.html"
    assert report.stat().st_size > 0
    folds = read_table(tmp_path / "cohort" / "participants.tsv").set_index("participant_id")["fold"]
    scored = read_table(report.with_name("cases.tsv"))["participant_id"]
    assert len(folds) == SUBJECTS
    assert {*scored} == {*folds.index[folds == 0]}
    assert "epoch" in read_table(tmp_path / "run" / "history.tsv")
