"""How a scene goes through a model: at which GSD, which bands, stretched how, in which windows.

None of it needs the weights of the model, but for the size of its windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.core.bands import BandHistogram
from geoseg.core.bit_depth import full_scale
from geoseg.core.grid import Grid
from geoseg.core.nodata_marks import ends, nodata_mark
from geoseg.core.tiling import tile_count
from geoseg.errors import UnsuitableError
from geoseg.inference.runtimes import Runtime, default_overlap
from geoseg.io.raster.sampling import sampled_strips
from geoseg.io.raster.scene import Scene
from geoseg.specs import ModelSpec, PredictSpec, Stretch, TilingSpec

# A scene within this factor of the model's GSD is read as it is, with 0.2 to 0.31 m by the bundled
# models: networks are trained to bear more
GSD_TOLERANCE = 1.25
# An encoder that halves the resolution five times looks at every 32nd pixel in the end. Windows
# that start at multiples of that look at the same ones, so their size hardly changes what is found.
STRIDE = 32
# Beyond this a pixel of the scene would become more than 16 of the model's: blur without outlines
MAX_ENLARGEMENT = 4.0
# What a file may declare its bands to be in place of red, green and blue
OTHER_COLOURS = (
    "cyan", "magenta", "yellow", "black", "hue", "saturation", "lightness", "Y", "Cb", "Cr",
)  # fmt: skip
# Up to here the roofs of small houses still are some pixels across; beyond it, the user is warned
DOUBTFUL = 2.0


@dataclass(frozen=True)
class Plan:
    """How a scene goes through a model: which bands, stretched how, in which windows, with how many
    pixels around each.
    """

    bands: tuple[int, ...]
    stretch: Stretch | None
    tiling: TilingSpec
    margin: int
    border: int
    tiles: int
    warnings: tuple[str, ...]


def working_gsd(
    model: ModelSpec, grid: Grid, path: str, picture_gsd: float | None = None
) -> float | None:
    """GSD in metres to read a scene at, None as it is; ``picture_gsd`` is that of a picture without
    a CRS.

    Raises UnsuitableError where the scene is far too coarse, or so fine that all of it is less than
    a pixel of the model.
    """
    try:
        own = grid.gsd or picture_gsd
    except UnsuitableError as error:
        raise UnsuitableError(f"{path}: {error.message}", error.hint) from error
    if model.gsd is None or own is None or 1 / GSD_TOLERANCE <= own / model.gsd <= GSD_TOLERANCE:
        return None
    if own > MAX_ENLARGEMENT * model.gsd:
        raise UnsuitableError(
            f"{path}: has {own:.2f} m a pixel, too coarse for a model of {model.gsd:.2f} m",
            "use a model of its GSD",
        )
    if max(grid.shape) * own < model.gsd / GSD_TOLERANCE:
        raise UnsuitableError(
            f"{path}: has {own:.3g} m a pixel, all of it is less than a pixel of {model.gsd:.2f} m",
            "check its GSD",
        )
    return model.gsd


@dataclass(frozen=True)
class Taken:
    """The bands of a scene that a model sees, how they are stretched, and what of it is in
    doubt.
    """

    bands: tuple[int, ...]
    stretch: Stretch | None
    warnings: tuple[str, ...]


def take(
    scene: Scene,
    model: ModelSpec,
    bands: tuple[int, ...] | None = None,
    native: Scene | None = None,
) -> Taken:
    """What a model of this description sees of ``scene``; its weights are not needed to know.

    ``native`` is the scene at its own GSD, by whose values its bit depth is known. Raises
    UnsuitableError where the scene has too few bands, InputError where it cannot be read.
    """
    warnings = list(scene.warnings)
    if bands is None:
        bands, doubt = _bands(scene, model)
        warnings += doubt
    elif scene.expanded and set(bands) == {1}:  # its one band, whose values are no brightness
        bands = scene.indexes
        warnings.append(f"{scene.path}: using the red, green and blue of its palette")
    if len(bands) != model.bands:
        raise UnsuitableError(
            f"{scene.path}: `bands` has {len(bands)} bands; the model needs {model.bands}"
        )
    scene.check_bands(bands)
    stretch, doubt = _stretch(scene, native or scene, model, bands)
    doubt += _doubtful_gsd((native or scene).gsd, model, scene.path)
    return Taken(bands, stretch, tuple(warnings + doubt))


def plan(
    scene: Scene,
    runtime: Runtime,
    spec: PredictSpec,
    bands: tuple[int, ...] | None = None,
    *,
    taken: Taken | None = None,
) -> Plan:
    """``taken`` is what the model sees of the scene, found here where it is not given.

    Raises as :func:`take` does.
    """
    taken = taken or take(scene, runtime.spec, bands)
    overlap = default_overlap(runtime.size) if spec.overlap is None else spec.overlap
    # small windows would become many more
    step = STRIDE if runtime.size - overlap >= 3 * STRIDE else 1
    tiling = TilingSpec(runtime.size, overlap, step)
    count = tile_count(scene.grid.shape, tiling)
    # What is cut off a window on one side must be covered by its neighbour, and there must be
    # ground left on which the two are blended: so a quarter of the overlap at most
    margin = min(runtime.spec.margin, overlap // 4)
    return Plan(taken.bands, taken.stretch, tiling, margin, runtime.border, count, taken.warnings)


def _doubtful_gsd(own: float | None, model: ModelSpec, path: str) -> list[str]:
    """What speaks against reading a scene of ``own`` metres a pixel with the model."""
    if model.gsd is None:
        return []
    if own is None:
        wanted = f"the model is for {model.gsd:.3g}"
        return [f"{path}: its metres per pixel are not known, {wanted} (`gsd` says them)"]
    if own >= DOUBTFUL * model.gsd:
        times = f"{own / model.gsd:.1f} times"
        return [f"{path}: has {own:.3g} m a pixel, {times} what the model is for: expect little"]
    return []


def _bands(scene: Scene, model: ModelSpec) -> tuple[tuple[int, ...], list[str]]:
    """The bands that the model was trained on, else those declared red, green and blue, else the
    first; and what of it is in doubt.
    """
    chosen = model.source_bands
    if chosen and set(chosen) <= set(scene.indexes):
        listed = ",".join(map(str, chosen))
        warning = (
            f"{scene.path}: using bands {listed}, as in training (chips that hold only these need "
            "`bands`)"
        )
        return chosen, [warning] if scene.bands == model.bands else []
    if scene.bands < model.bands:
        raise UnsuitableError(
            f"{scene.path}: has {scene.bands} band{'s' * (scene.bands > 1)}; the model needs "
            f"{model.bands}",
            "grey imagery: `bands` 1,1,1" if scene.bands == 1 else "choose them with `bands`",
        )
    if others := [each for each in scene.colours if each in OTHER_COLOURS]:
        raise UnsuitableError(
            f"{scene.path}: is of {', '.join(others)}, not of red, green and blue",
            "convert it, or take its bands as they are with `bands`",
        )
    first = scene.indexes[: model.bands]
    if model.bands == 3 and scene.rgb and scene.rgb != first:
        listed = ",".join(map(str, scene.rgb))
        return scene.rgb, [f"{scene.path}: using bands {listed}, its red, green and blue"]
    warning = f"{scene.path}: using the first {model.bands} of {scene.bands} bands"
    return first, [warning] if scene.bands > model.bands else []


def _stretch(
    scene: Scene, native: Scene, model: ModelSpec, bands: tuple[int, ...]
) -> tuple[Stretch | None, list[str]]:
    """The stretch that the model was trained with, or by its rule the scene's own; and what of it
    is in doubt.
    """
    if scene.dtype == model.dtype and not model.percentiles:
        return model.stretch, []
    stretched = model.stretch or model.percentiles
    if scene.dtype == "uint8" and stretched:  # as the chips were that it was trained on
        return None, [
            f"{scene.path}: uint8 is taken as stretched already, the model takes {model.dtype}"
        ]
    histogram, warnings = _histogram(native, bands)
    # What a scene of 16 bits holds, tried in this order: what the model was trained on; a picture
    # of 8 bits in a wider type, which has a white; counts of a sensor, which only have percentiles.
    values = None if stretched else histogram.values()
    if values and (top := full_scale(values, native.bits)):
        doubt = f"{scene.path}: {scene.dtype} holds an 8-bit picture, whose white is {top:g}"
        return Stretch((0.0,) * len(bands), (top,) * len(bands)), [*warnings, doubt]
    low, high = model.percentiles or (2.0, 98.0)
    doubt = (
        f"{scene.path}: {scene.dtype} stretched from its percentile {low:g} to {high:g}, "
        f"the model takes {model.dtype}"
    )
    if native.grid != scene.grid:
        histogram, _ = _histogram(scene, bands)
    if scene.dtype != model.dtype:
        warnings.append(doubt)
    return histogram.percentiles(low, high), warnings


def _histogram(scene: Scene, bands: tuple[int, ...]) -> tuple[BandHistogram, list[str]]:
    """The values of a scene, and what of them is in doubt: a mark of pixels without data that lies
    where nobody looked when the scene was opened.
    """
    histogram = BandHistogram(len(bands), scene.dtype)
    signed = histogram.dtype.kind in "fi"
    found = []
    for image, valid in sampled_strips(scene, bands):
        histogram.add(image, valid)
        if signed:
            found.append(ends(image[:, valid]))
    mark = nodata_mark(np.concatenate(found)) if found else None
    if mark is None:
        return histogram, []
    way = "its `nodata` is another" if scene.has_mask else "`nodata` declares what is none"
    return histogram, [
        f"{scene.path}: counts {mark:.9g}, which lies far from all other values, as data ({way})"
    ]
