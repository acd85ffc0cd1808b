"""A simulated study with the published effects, and its tables on disk."""

from pathlib import Path

import numpy as np
import pandas as pd

# Kyuragi et al. 2024: 234 patients with depression, 148 controls; r of age and volume in the patients, and of severity
# and volume in women with depression (partial η² .099).
PATIENTS, CONTROLS, AGE_R, SEVERITY_R = 234, 148, -0.59, -(0.099**0.5)
SITES = {"prisma": 0.0, "skyra": 3.0, "verio": -2.0}
DIFFERENCE, SD = -1.2, 2.0


def simulate(seed: int = 0, *, shrink: int = 1) -> pd.DataFrame:
    """Make a row per subject; the total volume is 34 mm³ + site + group + what age, severity and chance do."""
    rng = np.random.default_rng(seed)
    dx = np.repeat(["MDD", "HC"], [PATIENTS // shrink, CONTROLS // shrink])
    n, patient = len(dx), dx == "MDD"
    age, severity = rng.normal(size=(2, n))
    sex = rng.choice(["F", "M"], n)
    in_women = np.where(patient & (sex == "F"), SEVERITY_R / np.sqrt(1 - SEVERITY_R**2), 0)
    explained = np.where(patient, AGE_R / np.sqrt(1 - AGE_R**2), -0.2) * age + in_women * severity
    site = rng.choice(list(SITES), n)
    icv = 1_450_000 + 120_000 * rng.normal(size=n)
    total = 34 + pd.Series(site).map(SITES).to_numpy() + DIFFERENCE * patient + SD * (explained + rng.normal(size=n))
    left = total * rng.normal(0.486, 0.02, n)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in range(n)],
            "dx": dx,
            "sex": sex,
            "site": site,
            "age": 55 + 12 * age,
            "icv_mm3": icv,
            "hamd": np.where(patient, 18 + 6 * severity, np.nan),
            "left_mm3": left,
            "right_mm3": total - left,
            "total_mm3": total,
        }
    )


def write(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path
