"""One HTML file that shows a clinician and a reviewer what was found, and how certain it is."""

from mtseg.report.experiment import write_experiment_report
from mtseg.report.write import write_report

__all__ = ["write_experiment_report", "write_report"]
