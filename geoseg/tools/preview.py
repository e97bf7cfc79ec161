"""Draw scenes with what was found in them, beside the truth where there is one; and chips of a chip
index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from geoseg.drawing.sheet import draw
from geoseg.errors import UsageError
from geoseg.io.atomic import check_apart, check_output
from geoseg.io.chip_index import INDEX
from geoseg.io.figures import check_picture, write_figure
from geoseg.io.formats import kind_of
from geoseg.io.provenance import provenance
from geoseg.report import Progress, Report, Run, no_progress
from geoseg.reports.scene_sheet import sheet_of_scene
from geoseg.specs import PreviewSpec


@dataclass(frozen=True, kw_only=True)
class PreviewReport(Report):
    """``height`` and ``width`` of the picture in pixels, how many ``chips`` it shows, None for a
    scene, and ``metrics``.

    These are counts and ratios as of `evaluate`, of what the picture shows: a row for each
    prediction, by footprint where two layers are compared, else by pixel; with several classes a
    row for each of them and one of the means.
    """

    height: int
    width: int
    chips: int | None = None
    metrics: tuple[dict[str, Any], ...] = ()


def run(
    scene: str,
    overlays: Sequence[str],
    output: Path | str,
    spec: PreviewSpec | None = None,
    *,
    truth: str | None = None,
    aoi: str | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> PreviewReport:
    """Draw ``scene`` with its ``overlays`` (footprints, masks, class rasters, probabilities), or
    the chips of an index.

    One overlay is drawn on the scene; several get a panel each. Beside a ``truth`` predictions are
    drawn as correct, false positive and missed, several classes in their own, over a
    table of their metrics; probabilities are cut at ``spec.threshold``, else at what their file
    says. What lies beyond the data of the scene or the polygons of ``aoi`` is neither missed nor
    found. Only the pixels that are drawn are held. Raises UsageError (extension of ``output``,
    combinations that mean nothing), OutputError, and what opening the files may raise.
    """
    accompany = Run(progress)
    spec = spec or PreviewSpec()
    check_picture(output)
    check_apart(output, scene, *overlays, *([truth] if truth else []))
    check_output(output, overwrite)
    metrics: list[dict[str, Any]] = []
    chips = None
    if kind_of(scene) == "chips" or Path(scene).name == INDEX:
        from geoseg.reports.chip_sheet import sheet_of_chips

        if overlays or truth or aoi or spec.window or spec.bounds:
            raise UsageError(
                f"{scene}: is a chip index, whose chips are drawn with their own masks"
            )
        sheet, chips = sheet_of_chips(scene, spec, progress)
    else:
        _check_scene(spec)
        sheet, metrics = sheet_of_scene(scene, overlays, truth, aoi, spec, accompany)
    figure = draw(sheet, spec.size)
    write_figure(output, figure, tags=provenance(scene), overwrite=overwrite)
    width, height = _pixels(figure)
    return PreviewReport(
        command="preview",
        inputs=(scene, *overlays, *([truth] if truth else [])),
        outputs=(str(output),),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        height=height,
        width=width,
        chips=chips,
        metrics=tuple(metrics),
    )


def _check_scene(spec: PreviewSpec) -> None:
    if spec.augment or spec.split:
        raise UsageError("`augment` and `split` apply to chips", "name the folder of a chip index")


def _pixels(figure: Figure) -> tuple[int, int]:
    width, height = (int(side * figure.dpi) for side in figure.get_size_inches())
    return width, height
