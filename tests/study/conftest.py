"""Studies of tiny trainings, whose figures nobody looks at."""

import pytest


@pytest.fixture
def plain_reports(plain_reports, monkeypatch):
    """Nor does the report of an experiment draw any."""
    monkeypatch.setattr("mtseg.report.experiment._calibration_pictures", lambda *_: ())
