"""Networks that answer several tasks at once: a dictionary of task name to tensor comes out of each."""

from mtseg.networks.attention import AttentionBranchNet
from mtseg.networks.classifier import Classifier
from mtseg.networks.joint import JointNet

__all__ = ["AttentionBranchNet", "Classifier", "JointNet"]
