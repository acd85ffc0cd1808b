"""Weights of a loss that follow a schedule."""

from ignite.engine import Engine, Events

from mtseg.losses import WeightedLoss


class LossEpochs:
    """Tell a loss which epoch starts, so that its scheduled weights change; a resumed training goes on in its own.

    Args:
        loss: Weights of it may have a `Schedule`.
    """

    def __init__(self, loss: WeightedLoss):
        self.loss = loss

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the weights of the epoch that starts."""
        self.loss.start_epoch(engine.state.epoch, epochs=engine.state.max_epochs)
