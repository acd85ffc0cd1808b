"""Reading the movie that a microscope leaves behind."""

from os import PathLike
from pathlib import Path

import numpy as np
import tifffile
from skimage.io import imread
from skimage.io.collection import alphanumeric_key

from mtseg.data.checks.notes import first_few
from mtseg.study.calcium.problems import refusal

TIFF = (".tif", ".tiff")
SUFFIXES = (*TIFF, ".png")


def read_movie(path: str | PathLike) -> np.ndarray:
    """Read a movie.

    Args:
        path: TIFF stack, or a folder with a TIFF or PNG picture per frame, in the order of their names; numbers in
            the names count as numbers, so f2.png comes before f10.png.

    Returns:
        (frames, rows, columns), any unit, in the file's own type of number.

    Raises:
        ProblemsError: There is no such movie, it cannot be read, has fewer than two frames, frames of several shapes
            or in colour, values that are no finite numbers, or a median that is not above 0.
    """
    path = Path(path)
    movie = _folder(path) if path.is_dir() else read_picture_file(path)
    if movie.ndim != 3 or len(movie) < 2:
        what = f"has the shape {movie.shape}, not (frames, rows, columns)"
        raise refusal(path, what, "Save two frames or more, without colour")
    if movie.dtype.kind not in "uif":
        raise refusal(path, f"holds {movie.dtype}, no real numbers", "Save it with 8, 16 or 32 bits per pixel")
    if bad := movie.size - int(np.isfinite(movie).sum()):
        raise refusal(path, f"has {bad} values that are not finite", "Fill these pixels in, or crop the frames")
    if (median := np.median(movie)) <= 0:
        what = f"has a median of {median:g}, but frames are divided by it"
        raise refusal(path, what, "Give the movie as recorded, before any subtraction")
    return movie


def read_picture_file(path: Path) -> np.ndarray:
    """Read a TIFF, stack or not, a PNG or an npy file in its own type of number.

    Raises:
        ProblemsError: There is no such file, or it cannot be read.
    """
    try:
        if path.suffix.lower() not in TIFF:
            return np.load(path) if path.suffix.lower() == ".npy" else imread(path)
        with tifffile.TiffFile(path) as file:
            # A stack written frame by frame may hold each as a series of its own, and only the first would be read.
            parts = [series.asarray() for series in file.series]
        return parts[0] if len(parts) == 1 else np.stack(parts)
    except FileNotFoundError:
        raise refusal(path, "does not exist", "Correct the path") from None
    except Exception as error:  # which library reads, and what it raises, depends on what else is installed
        raise refusal(path, f"cannot be read as a picture ({error})", "Save it again as TIFF or PNG") from None


def _folder(folder: Path) -> np.ndarray:
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    if not files:
        raise refusal(folder, f"holds no {', '.join(SUFFIXES)}", "Name the folder in which the frames lie")
    frames = [read_picture_file(path) for path in sorted(files, key=lambda path: alphanumeric_key(path.name))]
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1 or len(shapes[0]) != 2:
        what = f"holds pictures of shape {first_few([str(shape) for shape in shapes])}"
        raise refusal(folder, what, "Keep the frames of one movie there, all with the same rows and columns, no colour")
    return np.stack(frames)
