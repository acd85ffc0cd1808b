"""Volumes of a structure in many scans: one after the other or on a cluster, continued where it stopped."""

import hashlib
import json
import logging
import os
import shutil
import time
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from nibabel.affines import voxel_sizes

from mtseg.cluster import run_all
from mtseg.errors import InputError
from mtseg.files import WRITING, alone_in, read_table, replacing, write_table
from mtseg.images import save_like
from mtseg.keys import Column
from mtseg.provenance import check_command, command_in, write_run
from mtseg.volumetry.scans.flags import MISSING, Flag, flags_of
from mtseg.volumetry.scans.inputs import Source, read_scan, sources_of
from mtseg.volumetry.scans.locate import locate
from mtseg.volumetry.scans.measure import native_masks, total_at_thresholds, volumes
from mtseg.volumetry.scans.networks import segmenter
from mtseg.volumetry.scans.picture import draw
from mtseg.volumetry.scans.segment import segment
from mtseg.volumetry.scans.structures import HABENULA, HIPPOCAMPUS, RESEARCH, SIDES, Structure

TOTAL_AT_THRESHOLDS = "total_mm3_at_thresholds"
"""What `mtseg volumes calibrate` reads of a scan: see `mtseg.volumetry.scans.measure.total_at_thresholds`."""
_SIGNIFICANT = 5

logger = logging.getLogger("mtseg")


@dataclass(frozen=True)
class Task:
    """One scan, what to measure, where its results go, and by which threshold.

    Attributes:
        structure: What to measure.
        source: The scan.
        out: Folder of all results.
        threshold: Probability from which a place belongs to the structure.
        made_with: What else decides the results; results of something else are made anew.
    """

    structure: Structure
    source: Source
    out: Path
    threshold: float
    made_with: str

    @property
    def results(self) -> dict[str, Path]:
        """Paths of all results."""
        of = f"label-{self.structure.name}"
        names = {
            "dseg": f"space-orig_{of}_dseg.nii.gz",
            "probseg": f"space-orig_{of}_probseg.nii.gz",
            "qc": f"{of}_qc.png",
            "volumes": f"{of}_volumes.json",
        }
        folder = self.out / self.source.folder
        return {kind: folder / f"{self.source.name}_{name}" for kind, name in names.items()}

    @property
    def row_file(self) -> Path:
        """Where the row of the table waits for the others; the last thing that is written of a scan."""
        return self.results["volumes"]

    def done(self) -> dict[str, Any] | None:
        """The row, if the scan was measured with the same settings."""
        facts = _facts_in(self.row_file)
        if facts is None or (facts["made_with"], facts["source"]) != (self.made_with, self.source.state):
            return None
        return facts["row"]

    def replaces(self) -> str | None:
        """The file of another scan of this name whose results lie in the place of this one's, if it still exists."""
        facts = _facts_in(self.row_file)
        file = facts and facts["row"].get("file")
        return file if file and file != str(self.source.path) and Path(file).exists() else None


def measure_structure(
    structure: Structure,
    inputs: Sequence[str | os.PathLike],
    *,
    out: str | os.PathLike,
    profile: str | os.PathLike | None = None,
    network: str | os.PathLike | None = None,
    cluster: str | None = None,
) -> pd.DataFrame:
    """Measure a structure on both sides in every scan; a second call does only what is missing.

    Args:
        structure: What to measure.
        inputs: See `sources_of`.
        out: Folder for masks, probabilities, pictures (BIDS derivatives), `<structure>.tsv` and `run.json`. Scans that
            it holds from earlier calls with the same settings stay in the table, below those of this call; so do those
            that failed, as long as their files are there.
        profile: JSON of `mtseg volumes calibrate`: its `threshold` is used.
        network: Folder of a training of the structure's bundle, to measure with in place of the shipped weights.
        cluster: See `mtseg.cluster.run_all`.

    Returns:
        The table, a row per scan of this call; one that failed has the reason in `error`.

    Raises:
        InputError: Inputs, profile or network cannot be used, the folder is in use or holds the results of another
            command, or there is no such cluster.
    """
    command = f"volumes {structure.name}"
    if command_in(out) not in {f"volumes {one.name}" for one in (HABENULA, HIPPOCAMPUS)}:  # whose files differ in name
        check_command(out, command)
    sources = sources_of(inputs)
    if network is not None:
        structure = _own_network(structure, Path(network).absolute())
    threshold = structure.threshold if profile is None else read_threshold(profile, structure.name)
    out = Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is no folder. Choose another one (--out)")
    weights = hashlib.sha256(segmenter(structure.bundle).weights.read_bytes()).hexdigest()[:12]
    made_with = f"mtseg {version('mtseg')}, {weights}, {structure.looks} looks, threshold {threshold:g}"
    tasks = [Task(structure, source, out, threshold, made_with) for source in sources]
    with alone_in(out):
        _remove_leftovers(out)
        write_table(
            pd.DataFrame(enumerate(structure.labels, 1), columns=["index", "name"]),
            out / f"label-{structure.name}_dseg.tsv",
        )
        with replacing(out / "dataset_description.json") as temporary:
            temporary.write_text(json.dumps(_description(structure, command), indent=2) + "\n")
        facts = {"command": command, "caution": structure.caution, "weights": weights, "threshold": threshold}
        write_run(out, **facts, inputs=[str(path) for path in inputs], scans=len(tasks))
        rows = {task.source.name: row for task in tasks if (row := task.done()) is not None}
        todo = [task for task in tasks if task.source.name not in rows]
        if rows:
            logger.info("%d of %d scans were measured before", len(rows), len(tasks))
        for task in todo:
            if other := task.replaces():
                logger.warning(
                    "%s: the results of %s are replaced by those of %s. Scans of one name need folders of their own "
                    "(--out), or a table with an id for each",
                    task.source.name,
                    other,
                    task.source.path,
                )
        for row in run_all(measure, todo, cluster=cluster, lost=lambda task, error: _failed(task, error)):
            rows[row["scan"]] = row
            logger.info("%d/%d %s", len(rows), len(tasks), _line(row))
        table, table_file = pd.DataFrame([rows[task.source.name] for task in tasks]), out / f"{structure.name}.tsv"
        of_earlier, left_out = _of_earlier_calls(tasks)
        failed = _failed_before(table_file, {*rows, *(row["scan"] for row in of_earlier)})
        earlier = pd.concat([pd.DataFrame(of_earlier), failed])
        if len(earlier):
            logger.info("%d more scans, of earlier calls, are in the table too", len(earlier))
        if left_out:
            logger.info(
                "%d more scans in the folder are not in the table: other weights, threshold or version", left_out
            )
        write_table(pd.concat([table, earlier], ignore_index=True), table_file)
    return table


def _remove_leftovers(out: Path) -> None:
    """Remove what is left of files that were being written when an earlier call was killed."""
    for pattern in (f"{WRITING}*", f"sub-*/**/{WRITING}*"):
        for leftover in [*out.glob(pattern)]:
            shutil.rmtree(leftover, ignore_errors=True)


def _facts_in(row_file: Path) -> dict[str, Any] | None:
    """What was written of a scan; None: nothing, or nothing that can be read, so that it is not measured."""
    try:
        facts = json.loads(row_file.read_text())
        return facts if isinstance(facts["row"], dict) and {"made_with", "source"} <= facts.keys() else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _of_earlier_calls(tasks: Sequence[Task]) -> tuple[list[dict[str, Any]], int]:
    """Rows of what else lies in the folder, so that scans can be measured one call after the other.

    Returns:
        The rows, and how many others were made with something else.
    """
    one, ours = tasks[0], {task.row_file for task in tasks}
    others = sorted({*one.out.glob(f"sub-*/**/*_label-{one.structure.name}_volumes.json")} - ours)
    whole = [path for path in others if not path.parent.name.startswith(WRITING)]
    found = [facts for path in whole if (facts := _facts_in(path)) is not None]
    rows = [facts["row"] for facts in found if facts["made_with"] == one.made_with]
    return rows, len(found) - len(rows)


def _failed_before(table_file: Path, others: Collection[str]) -> pd.DataFrame:
    """Rows of scans that an earlier call could not measure, unless they are among `others` or their file is gone."""
    if not table_file.exists():
        return pd.DataFrame()
    table = read_table(table_file, text=("scan", "file"))
    gone = table["file"].map(lambda file: not Path(file).exists(), na_action="ignore").eq(True)
    return table[table["error"].notna() & ~table["scan"].isin(others) & ~gone].dropna(axis=1, how="all")


def _own_network(structure: Structure, network: Path) -> Structure:
    """The structure, found by a network that somebody else trained.

    Raises:
        InputError: There is no such network, or it finds something else, or on another grid.
    """
    own, shipped = segmenter(str(network)), segmenter(structure.bundle)
    if (own.names, own.spacing) != (shipped.names, shipped.spacing):
        said = " × ".join(f"{mm:g}" for mm in own.spacing)
        raise InputError(
            f"{network}: finds {', '.join(own.names)} in voxels of {said} mm. Give a training of {structure.bundle}"
        )
    caution = "The weights are not mtseg's own: whoever trained them knows how well they measure. " + RESEARCH
    return replace(structure, bundle=str(network), threshold=0.5, caution=caution)


def _description(structure: Structure, command: str) -> dict[str, Any]:
    return {
        "Name": f"Masks and volumes: {structure.name}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "mtseg", "Description": f"mtseg {command}. {structure.caution}"}],
    }


def read_threshold(profile: str | os.PathLike, structure: str) -> float:
    """Read the threshold of a profile.

    Raises:
        InputError: There is no such file, it holds no threshold between 0 and 1, or it is of another structure.
    """
    try:
        facts = json.loads(Path(profile).read_text())
        threshold, other = float(facts["threshold"]), facts.get("structure")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{profile}: is no profile ({error}). Make one with `mtseg volumes calibrate`") from error
    if not 0 < threshold < 1:
        raise InputError(f"{profile}: threshold {threshold:g}: must lie between 0 and 1")
    if other not in (None, structure):
        raise InputError(f"{profile}: is a profile of {other}. Calibrate one for {structure}")
    return threshold


def measure(task: Task) -> dict[str, Any]:
    """Measure one scan and write its files; an error becomes a row with the reason."""
    began = time.monotonic()
    # The row first: a scan that has it counts as measured, whatever else is gone when this is cut short.
    for outdated in (task.row_file, *task.results.values()):
        outdated.unlink(missing_ok=True)
    try:
        row, at_thresholds = _measure(task)
    except InputError as error:
        return _failed(task, str(error))
    except Exception:  # whatever this scan broke, the others go on
        logger.debug(traceback.format_exc())
        return _failed(task, traceback.format_exc().strip().splitlines()[-1])
    row["seconds"] = round(time.monotonic() - began, 2)
    with replacing(task.row_file) as temporary:
        facts: dict[str, Any] = {"made_with": task.made_with, "source": task.source.state}
        facts |= {"caution": task.structure.caution, "row": row, TOTAL_AT_THRESHOLDS: at_thresholds}
        temporary.write_text(json.dumps(facts, indent=2) + "\n")
    return row


def _measure(task: Task) -> tuple[dict[str, Any], list[float]]:
    structure, threshold = task.structure, task.threshold
    t1 = read_scan(task.source.path)
    located = locate(t1)
    found = segment(t1, located, structure)
    mask, probabilities = native_masks(found, t1, threshold=threshold)
    edges = voxel_sizes(t1.affine)
    measured = volumes(found, mask, structure=structure, native_mm3=float(edges.prod()), threshold=threshold)
    sides = {side: measured[f"{side}_mm3"] for side in SIDES}
    flags = flags_of(found, located, structure=structure, volumes_mm3=sides, voxel_mm=edges, threshold=threshold)
    # Nobody lacks one: a side that was not found has no volume, and neither has the sum of both.
    if lacking := [side for side, flag in MISSING.items() if {flag, Flag.NOT_FOUND} & {*flags}]:
        lost = (*lacking, "total", "asymmetry")
        measured = {name: None if name.startswith(lost) else value for name, value in measured.items()}
    total = measured["total_mm3"]
    row = _begin(task) | {
        name: None if value is None else float(f"{value:.{_SIGNIFICANT}g}") for name, value in measured.items()
    }
    row |= {
        "icv_mm3": round(located.icv_mm3),
        "total_to_icv": None if total is None else float(f"{total / located.icv_mm3:.{_SIGNIFICANT}g}"),
        "voxel_mm": " x ".join(f"{mm:.3g}" for mm in edges),
        "threshold": threshold,
        "flags": ";".join(flags) or None,
        "error": None,
    }
    for voxels, kind in ((mask, "dseg"), (probabilities, "probseg")):
        meta = {"original_affine": t1.affine, "filename_or_obj": str(task.source.path)}
        save_like(voxels, meta, task.results[kind])
    title = f"{task.source.name}: {_spell(row)}"
    suffix = f" [{', '.join(flags)}]" if flags else ""
    draw(task.results["qc"], found=found, structure=structure, t1=t1, threshold=threshold, title=title + suffix)
    return row, total_at_thresholds(found).round(3).tolist()


def _begin(task: Task) -> dict[str, Any]:
    source = task.source
    return {Column.SUBJECT.value: source.subject, "scan": source.name, "file": source.path and str(source.path)}


def _failed(task: Task, reason: str) -> dict[str, Any]:
    return _begin(task) | {"flags": None, "error": reason}


def _line(row: dict[str, Any]) -> str:
    if row["error"]:
        return f"{row['scan']}: {row['error']}"
    return f"{row['scan']}: {_spell(row)}{' [' + row['flags'] + ']' if row['flags'] else ''}"


def _spell(row: dict[str, Any]) -> str:
    found = {side: row[f"{side}_mm3"] for side in SIDES}
    return ", ".join(f"{side} {'not found' if mm3 is None else f'{mm3:.4g} mm³'}" for side, mm3 in found.items())
