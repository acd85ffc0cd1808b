"""What MONAI's trainer and evaluator need to train several tasks at once, repeatably."""

from mtseg.engine.batch import PrepareBatch, TrainingInferer
from mtseg.engine.checkpoint import Checkpoints, find_checkpoint
from mtseg.engine.history import History
from mtseg.engine.loss_epochs import LossEpochs
from mtseg.engine.processes import join_processes, leave_together, own_device
from mtseg.engine.seed import SeedEpochs
from mtseg.engine.settings import check_settings
from mtseg.engine.validation import ValidationScores

__all__ = [
    "Checkpoints",
    "History",
    "LossEpochs",
    "PrepareBatch",
    "SeedEpochs",
    "TrainingInferer",
    "ValidationScores",
    "check_settings",
    "find_checkpoint",
    "join_processes",
    "leave_together",
    "own_device",
]
