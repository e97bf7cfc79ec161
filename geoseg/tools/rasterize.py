"""Burn footprints into masks on a scene's grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.io import DatasetWriter

from geoseg.core.encoding import BACKGROUND, VOID, RasterTags
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.tiling import tiles
from geoseg.errors import UnsuitableError, UsageError
from geoseg.geometry.burn import Burner
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.targets import Target, Targets
from geoseg.io.atomic import check_apart, check_output
from geoseg.io.provenance import provenance
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import create_raster
from geoseg.io.vector.read import read_footprints
from geoseg.labels.footprints import footprints_on
from geoseg.report import Progress, Report, Run, Stage, no_progress
from geoseg.specs import MaskSpec, PixelReference, SceneSpec, TilingSpec
from geoseg.specs.vectors import VectorFiles

# Rows and columns burned at a time: whole blocks of the output, and large beside the widths that
# windows have to share
BLOCK_SIZE = 1024
# Most pixels of a width: the surroundings that each window needs grow with it
WIDEST = 1000


@dataclass(frozen=True, kw_only=True)
class RasterizeReport(Report):
    """``footprints`` burnt, ``pixels`` set in the first band, and with a class field the value of
    each class.

    ``bands`` has of each the ``kind``, the ``width`` in metres and the ``pixels`` above 0.
    """

    footprints: int
    pixels: int
    bands: tuple[dict[str, Any], ...]
    classes: dict[str, int]


def run(
    footprints: VectorFiles | Path | str | Sequence[Path | str],
    like: Path | str,
    output: Path | str,
    spec: MaskSpec | None = None,
    *,
    overwrite: bool = False,
    creation_options: dict[str, Any] | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    reference: PixelReference = PixelReference(),
    progress: Progress = no_progress,
    block_size: int = BLOCK_SIZE,
) -> RasterizeReport:
    """Burn ``footprints`` into ``output`` on the grid of the scene ``like``, a band for each kind
    of mask; 0 is background.

    Of several layers that of :class:`VectorFiles` is taken, else that called "footprints".
    Footprints get the value of the spec, or that of their class: integers from 1 as they are;
    names, true and false, and integers of which one is 0 are numbered from 1 in their order.
    The names of the classes are written into the tags. Bands are uint8, all of them float32
    with a distance among them, uint32 with instances, float64 with both. ``scene_spec`` says
    which part of the scene, and the CRS of one that has none; ``reference`` whether footprints
    are in its pixels. Burns windows of ``block_size`` pixels a side. Raises UnsuitableError
    where the footprints cannot be placed on the scene or lie outside it, UsageError for a width
    of too many pixels and an output that is an input.
    """
    accompany = Run(progress)
    spec = spec or MaskSpec()
    files = VectorFiles.of(footprints)
    check_apart(output, *files.paths, like)
    check_output(output, overwrite)
    with open_scene(like, spec=scene_spec) as scene:
        grid = scene.placed(reference)
    burnt = _labelled(files, grid, spec, str(like), reference.pixel_coords, accompany)
    kinds = _targets(spec, grid)
    targets = Targets(
        burnt.geometry,
        grid,
        kinds,
        all_touched=spec.all_touched,
        value=spec.value,
        values=burnt.values,
    )
    options = _creation_options(output, targets.dtype) | (creation_options or {})
    with create_raster(
        output,
        grid,
        count=len(kinds),
        dtype=targets.dtype,
        tags=_tags(str(files), spec, burnt.classes),
        overwrite=overwrite,
        options=options,
    ) as out:
        _describe(out, kinds)
        pixels = _burn(out, targets, grid, block_size, accompany)
    bands = zip(kinds, pixels, strict=True)
    return RasterizeReport(
        command="rasterize",
        inputs=(*map(str, files.paths), str(like)),
        outputs=(str(output),),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        footprints=len(Burner(burnt.geometry).inside(grid)),
        pixels=pixels[0],
        bands=tuple({"kind": k.kind, "width": k.width, "pixels": n} for k, n in bands),
        classes=burnt.classes,
    )


def _creation_options(output: Path | str, dtype: str) -> dict[str, Any]:
    """GDAL's options for masks. Raises UsageError where the format does not hold ``dtype``."""
    png = Path(output).suffix.lower() == ".png"
    if png and dtype != "uint8":
        raise UsageError(f"{output}: a PNG does not hold {dtype}", "write a .tif")
    # bytes of few values are compressed sooner than handed to another thread
    return {"num_threads": 1} if dtype == "uint8" and not png else {}


def _burn(
    out: DatasetWriter, targets: Targets, grid: Grid, block_size: int, accompany: Run
) -> list[int]:
    """Write the masks window by window; how many pixels of each band are above 0."""
    advance = accompany.progress(Stage("burn", "pixels"), grid.height * grid.width)
    pixels = np.zeros(out.count, np.int64)
    for tile in tiles(grid.shape, TilingSpec(block_size), "partial"):
        masks = targets.burn(tile.window)
        out.write(masks, window=tile.window)
        pixels += [np.count_nonzero(mask > 0) for mask in masks]
        advance(masks[0].size)
    return [int(count) for count in pixels]


@dataclass(frozen=True)
class _Labelled:
    """Footprints to burn, int value of each, None where all have that of the spec; value of each
    class by name.
    """

    geometry: np.ndarray
    values: np.ndarray | None
    classes: dict[str, int]


def _labelled(
    files: VectorFiles,
    grid: Grid,
    spec: MaskSpec,
    scene: str,
    pixel_coords: bool,
    accompany: Run,
) -> _Labelled:
    """The footprints on ``grid``; those without a class are emptied where there is a class
    field.
    """
    field = spec.class_field
    found = footprints_on(
        files,
        grid,
        accompany.remarks,
        pixel_coords=pixel_coords,
        scene=scene,
        columns=(field,) if field else (),
    )
    if not field:
        return _Labelled(found.geometry, None, {})
    return _classes(files, found, field, accompany)


def _targets(spec: MaskSpec, grid: Grid) -> list[Target]:
    """The masks with their widths in metres; UsageError where these reach over too many pixels."""
    size = pixel_size(grid)
    found = []
    for kind, width in spec.bands:
        metres = width.in_metres(math.sqrt(size[0] * size[1])) if width else 0.0
        if metres / min(size) > WIDEST:
            raise UsageError(
                f"a {kind} {metres:g} m wide takes {metres / min(size):.0f} pixels, {WIDEST} "
                "at most"
            )
        found.append(Target(kind, metres, spec.side))
    return found


def _describe(out: DatasetWriter, kinds: list[Target]) -> None:
    """Name the kinds in the bands' descriptions and tags."""
    for band, target in enumerate(kinds, 1):
        out.set_band_description(band, target.kind)
        out.update_tags(band, **RasterTags(kind=target.kind, width=target.width or None).to_dict())


def _tags(footprints: Path | str, spec: MaskSpec, classes: dict[str, int]) -> dict[str, str]:
    kinds = [name for name, _ in spec.bands]
    kind = ",".join(kinds)
    names = {}
    if kinds == ["edges"]:
        kind = "classes"
        names = {0: BACKGROUND, 1: "building", 2: "boundary"}
    elif spec.class_field is not None:
        names = {0: BACKGROUND} | {number: name for name, number in classes.items()}
    if kinds == ["footprint"]:
        kind = "mask" if spec.class_field is None else "classes"
    value = None if names else spec.value
    return provenance(footprints) | RasterTags(kind=kind, classes=names, value=value).to_dict()


def _classes(path: VectorFiles, found: Layer, field: str, accompany: Run) -> _Labelled:
    if field not in found.columns:
        names = ", ".join(read_footprints(path.paths[0], path.layer).columns) or "none"
        raise UnsuitableError(f"{path}: has no column {field}", f"its columns: {names}")
    column = found.columns[field]
    missing = np.array([_is_missing(item) for item in column.tolist()], bool)
    geometry = found.geometry.copy()
    values = np.zeros(len(found), np.int64)
    if missing.any():
        accompany.remarks.append(
            f"{path}: {missing.sum()} footprints without a {field} are left out"
        )
        geometry[missing] = shapely.Polygon()
    known = column[~missing].tolist()
    if all(isinstance(item, bool) for item in known):
        known = [str(item).lower() for item in known]
    if not all(isinstance(item, str) for item in known):
        known = _integers(path, field, known)
    classes = _numbered(path, field, sorted(set(known)))
    values[~missing] = [classes[str(item)] for item in known]
    if known and not isinstance(known[0], str) and 0 in known:
        listed = ", ".join(f"{name} is {number}" for name, number in classes.items())
        accompany.remarks.append(
            f"{path}: 0 is the background of a mask, so classes get numbers: {listed}"
        )
    return _Labelled(geometry, values, classes)


def _numbered(path: VectorFiles, field: str, known: list[Any]) -> dict[str, int]:
    """The value of each class: integers as they are, unless one of them is 0."""
    # For example the column holds 2, 3 and 7: values 2, 3 and 7. 0, 1 and 2: values 1, 2 and 3, as
    # 0 is the background. barn and house: 1 and 2.
    plain = known and not isinstance(known[0], str) and 0 not in known
    classes = {str(item): item if plain else place for place, item in enumerate(known, 1)}
    for name, number in classes.items():
        if not 0 < number < VOID:
            raise UnsuitableError(
                f"{path}: class {name} of {field} does not fit a mask of 1 to {VOID - 1}"
            )
    return classes


def _number(item: Any) -> float:
    if np.ndim(item):
        raise TypeError("a list is no number")
    return float(item)


def _is_missing(item: Any) -> bool:
    """Whether a cell holds None, no text but blanks, or NaN, which is not equal to itself."""
    if isinstance(item, str):
        return not item.strip()
    # an array, as lists in a cell become, is neither
    return item is None or (np.ndim(item) == 0 and bool(item != item))


def _integers(path: VectorFiles, field: str, known: list[Any]) -> list[int]:
    try:
        numbers = np.array([_number(item) for item in known])
    except (TypeError, ValueError) as error:  # bytes, dates, lists
        raise UnsuitableError(
            f"{path}: the column {field} holds neither integers nor names"
        ) from error
    if not (np.isfinite(numbers) & (numbers == np.round(numbers))).all():
        raise UnsuitableError(f"{path}: the column {field} holds numbers that are no integers")
    return [int(number) for number in numbers.tolist()]
