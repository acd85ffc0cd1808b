"""Networks that answer several tasks at once: a dictionary of task name to tensor comes out of each."""

from mtseg.networks.joint import JointNet

__all__ = ["JointNet"]
