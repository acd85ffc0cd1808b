"""One number to minimise from several tasks, where any subject may lack any of them."""

from mtseg.losses.attention import AttentionBranchLoss, switched
from mtseg.losses.joint import JointLoss
from mtseg.losses.schedule import Schedule, WeightedLoss

__all__ = ["AttentionBranchLoss", "JointLoss", "Schedule", "WeightedLoss", "switched"]
