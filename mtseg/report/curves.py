"""Learning curves: did the training come to rest, and did one task pull the other along."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtseg.report.figure import Picture, picture

_LINES = (("#0072B2", "-"), ("#E69F00", "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#56B4E9", "-"), ("#D55E00", "--"))


def learning_curves(history: pd.DataFrame) -> Picture | None:
    """Draw the history of a training: losses, validation Dice, learning rate, whichever of them it has.

    Args:
        history: One row per epoch: epoch, loss, loss_<task>, val_dice, lr.

    Returns:
        None if there is nothing to draw.
    """
    tasks = [column for column in map(str, history) if column.startswith("loss_")]
    # With a single task its loss and the whole loss are one line.
    losses = [c for c in ["loss", *tasks] if c in history] if len(tasks) != 1 else ["loss"]
    wanted = {"training loss": losses, "validation Dice": ["val_dice"], "learning rate": ["lr"]}
    panels = {
        title: [c for c in columns if c in history and history[c].notna().any()] for title, columns in wanted.items()
    }
    panels = {title: columns for title, columns in panels.items() if columns}
    if not panels:
        return None
    figure = Figure(figsize=(3.4 * len(panels), 3.0))
    for axes, (title, columns) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for column, (colour, dashes) in zip(columns, _LINES, strict=False):
            # Epochs without validation leave gaps; the line runs on from one to the next.
            line = history[["epoch", column]].dropna()
            label = "weighted sum" if column == "loss" else column.removeprefix("loss_")
            axes.plot(line["epoch"], line[column], color=colour, ls=dashes, lw=1.6, label=label)
        if len(columns) > 1:
            axes.legend(fontsize=9)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
        axes.grid(alpha=0.3)
    return picture(figure, caption="Learning curves.")
