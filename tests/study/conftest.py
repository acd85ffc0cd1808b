"""The network that remembers most: what it finds in exchanged labels has leaked."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from mtseg.data import read_cohort
from mtseg.study.pictures import read_picture


@pytest.fixture
def remembered():
    """How often an image is answered with the label of the most similar one that trains, and how unlikely that is.

    Images of one person (or event) look alike here and persons do not, so a fold that shares a person with another one
    is answered by heart, whatever the labels mean.
    """

    def call(path, *, image, label, of, folds=None):
        table = read_cohort(path).table
        fold = table["fold"].to_numpy() if folds is None else np.asarray(folds)
        pixels = np.stack([read_picture(file).ravel() for file in table[image]])
        far = np.square(pixels[:, None] - pixels[None]).sum(axis=-1)
        far[fold[:, None] == fold[None]] = np.inf
        right = table[label].to_numpy() == table[label].to_numpy()[far.argmin(axis=1)]
        persons = pd.Series(right).groupby(table[of].to_numpy()).mean() > 0.5
        chance = np.square(table.groupby(of)[label].first().value_counts(normalize=True)).sum()
        return right.mean(), binomtest(int(persons.sum()), len(persons), chance, alternative="greater").pvalue

    return call
