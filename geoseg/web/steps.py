"""What the page does with a scene, each step in a process of its own (:mod:`geoseg.web.jobs`).

Paths are relative to the visitor's folder. Results are JSON: pictures in them are data URIs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from geoseg.api.footprints import polygonize
from geoseg.api.looking import info, preview
from geoseg.api.maps import map_view
from geoseg.api.rasters import predict, rasterize
from geoseg.api.scores import evaluate
from geoseg.errors import UnsuitableError
from geoseg.io.formats import kind_of
from geoseg.io.vector.copy import copy_footprints
from geoseg.report import Progress

# Longest side of the pictures of the map, in pixels
SIZE = 1600
# Footprints that the map draws; all of them are in the files
DRAWN = 20_000
# What the choices of outlines are for `polygonize`
OUTLINES: dict[str, dict[str, Any]] = {
    "Right angles": {"regularize": "orthogonal", "simplify": "1.5px"},
    "Simplified": {"simplify": "1.5px"},
    "Smooth": {"outline": "subpixel", "simplify": "0.5px"},
    "Pixels": {"min_hole": 0},
}
# Without post-processing a mask is probabilities cut at a half; with it specks are dropped and
# small holes filled
_HALF: dict[str, Any] = {
    "threshold": 0.5,
    "min_confidence": 0,
    "separate": "none",
    "simplify": 0,
}
_RATIOS = ("iou", "f1", "precision", "recall")


def look(scene: str, max_pixels: float, *, progress: Progress) -> dict[str, Any]:
    """What the scene is, and its picture.

    Raises UnsuitableError where it has more than ``max_pixels`` megapixels, before any are read.
    """
    view = map_view(scene, size=SIZE)
    height, width = view.view.source.shape
    if height * width > max_pixels * 1e6:
        raise UnsuitableError(
            f"{scene}: has {height * width / 1e6:,.1f} megapixels, this page takes up to "
            f"{max_pixels:g}",
            "cut out a part, or run `geoseg extract` on the command line",
        )
    about = info(scene).about
    wanted = ("format", "height", "width", "bands", "dtype", "crs", "gsd", "valid_fraction")
    picture = {"size": [view.grid.width, view.grid.height], "metres": view.metres}
    return {
        "about": {name: about[name] for name in wanted},
        "map": picture | {"scene": _uri(view.scene())},
    }


def look_at_truth(scene: str, truth: str, *, progress: Progress) -> dict[str, Any]:
    """The truth as the map shows it, beside the scene.

    Raises what scoring by it would, for it is scored by itself first: a truth of another place,
    once taken, would make every later step fail.
    """
    _scores(truth, truth, scene)
    view = map_view(scene, size=SIZE)
    if kind_of(truth) == "vector":
        return {"map": {"truth": _outlines(view, truth), "truthMask": None}}
    return {"map": {"truthMask": _uri(view.mask(truth)), "truth": None}}


def find(
    scene: str, probability: str, model: str, gsd: float | None, *, progress: Progress
) -> dict[str, Any]:
    """Run the model: the only step that does.

    Grey imagery is given to a model of colours as a colour picture without colour: the page has no
    control for bands, and a photo in grey is no mistake of who uploads it.
    """
    about = info(model).about
    seen = info(scene).about
    # the one band of a palette stands for three of colours
    grey = seen["bands"] == 1 and "palette" not in seen["colours"] and about["bands"] > 1
    report = predict(
        scene,
        probability,
        model=model,
        bands=(1,) * about["bands"] if grey else None,
        gsd=gsd,
        device="cpu",
        overwrite=True,
        progress=progress,
    )
    remarks = (f"{scene}: is grey, the model has learned from colours",) if grey else ()
    return {
        "map": {"probability": _probability(scene, probability)},
        "warnings": [*report.warnings, *remarks],
        "seconds": report.seconds,
        "threshold": about["threshold"],
        "min_area": about["min_area"],
    }


def trace(
    scene: str,
    probability: str,
    settings: dict[str, Any],
    outputs: dict[str, str],
    truth: str | None,
    *,
    progress: Progress,
) -> dict[str, Any]:
    """Footprints of the probabilities by the controls' ``settings``, as files by format in
    ``outputs``, and their scores.
    """
    choice = OUTLINES[settings["outline"]]
    report = polygonize(
        probability,
        outputs["gpkg"],
        threshold=settings["threshold"],
        min_area=settings["min_area"],
        separate="watershed" if settings["parted"] else "none",
        pixel_coords=settings["pixel_coords"],
        overwrite=True,
        progress=progress,
        **choice,
    )
    copy_footprints(outputs["gpkg"], outputs["geojson"], overwrite=True)
    rasterize(
        outputs["gpkg"],
        scene,
        outputs["mask"],
        pixel_coords=settings["pixel_coords"],
        overwrite=True,
    )
    return {
        "map": {"footprints": _outlines(map_view(scene, size=SIZE), outputs["gpkg"])},
        "footprints": report.footprints,
        "area": report.area_px if report.area_m2 is None else report.area_m2,
        "scores": _scores(outputs["gpkg"], truth, scene) if truth else None,
    }


def score(
    scene: str,
    probability: str,
    truth: str,
    min_area: str,
    pixel_coords: bool,
    *,
    progress: Progress,
) -> dict[str, Any]:
    """Scores at a threshold of a half, without post-processing and with a noise filter: footprints
    and holes smaller than ``min_area`` go.
    """
    rows = {}
    for name, clean in {"raw": "0", "filtered": min_area}.items():
        path = f"{Path(probability).parent}/{name}.gpkg"
        polygonize(
            probability,
            path,
            min_area=clean,
            min_hole=clean,
            pixel_coords=pixel_coords,
            overwrite=True,
            progress=progress,
            **_HALF,
        )
        rows[name] = _scores(path, truth, scene)
    return rows


def draw(
    scene: str, overlays: list[str], truth: str | None, output: str, *, progress: Progress
) -> dict[str, Any]:
    """The scene, what was found and the truth side by side, as one picture to keep."""
    preview(scene, overlays, output, truth=truth, overwrite=True)
    return {}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "look": look,
    "look_at_truth": look_at_truth,
    "find": find,
    "trace": trace,
    "score": score,
    "draw": draw,
}


def _scores(footprints: str, truth: str, scene: str) -> dict[str, dict[str, float | None]]:
    """Metrics of pixels, on the scene's grid, and of footprints."""
    report = evaluate(footprints, truth, like=scene).to_dict()
    return {
        kind: {name: report[kind].get(name) for name in _RATIOS} for kind in ("pixel", "object")
    }


def _outlines(view: Any, path: str) -> dict[str, Any]:
    drawn = view.outlines(path, ("confidence", "area_m2", "area_px"))
    return {name: values[:DRAWN] for name, values in drawn.items()}


def _probability(scene: str, path: str) -> str | None:
    """Probabilities of buildings as a picture; None where there are several classes."""
    try:
        return _uri(map_view(scene, size=SIZE).probability(path))
    except UnsuitableError:
        return None


def _uri(picture: bytes) -> str:
    return f"data:image/webp;base64,{b64encode(picture).decode()}"
