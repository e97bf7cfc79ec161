"""Masks and probabilities into footprints, strip by strip."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from affine import Affine

from geoseg.engine.ahead import ahead
from geoseg.io.raster import open_scene
from geoseg.io.vector import create_vector
from geoseg.specs import PolygonSpec
from geoseg.tools.footprints import Naming, columns, frames
from geoseg.tools.rasterize import placed
from geoseg.tools.report import Progress, Report, no_progress, provenance
from geoseg.tools.values import kinds, strips


@dataclass(frozen=True, kw_only=True)
class PolygonizeReport(Report):
    """Footprints written and their area in square metres (square pixels without a CRS)."""

    footprints: int
    area_m2: float
    threshold: float | None


def run(
    raster: Path | str,
    output: Path | str,
    spec: PolygonSpec,
    *,
    overwrite: bool = False,
    layer: str | None = None,
    format: str | None = None,
    dst_crs: str | None = None,
    class_value: int | None = None,
    crs: str | None = None,
    pixel_coords: bool = False,
    progress: Progress = no_progress,
) -> PolygonizeReport:
    """Write the footprints of a mask or probability raster to ``output``.

    Probabilities are floats in 0..1, or uint8 with a scale of 1/254 as ``predict`` writes them; they are cut at the
    threshold. Other integers are masks or classes. Of several classes all that have footprints are traced one by one, or the
    one whose number is ``class_value``. Threshold and minimum area are the spec's, else those the raster's tags name, else
    a model's default; all of a mask is kept. Raises UnsuitableError (no CRS nor ``crs`` nor ``pixel_coords``, bands or values
    that are no probabilities), UsageError, OutputError.
    """
    start, area = time.perf_counter(), 0.0
    with open_scene(raster) as scene:
        grid = placed(scene.grid, str(raster), crs, pixel_coords)
        if pixel_coords:
            grid = replace(grid, transform=Affine.identity())
        found = kinds(scene, spec, class_value)
        advance = progress("polygonize", grid.height * len(found))
        keywords: dict[str, Any] = {"columns": columns(spec), "metadata": provenance(raster), "overwrite": overwrite}
        with create_vector(output, grid.crs, layer=layer, format=format, dst_crs=dst_crs, **keywords) as out:
            for kind in found:
                naming = Naming(Path(raster).stem, kind.surface.name, kind.unit)
                with closing(ahead(strips(scene, kind, advance))) as rows:
                    for batch in frames(rows, grid, naming, spec, kind.min_area, kind.level, out.count + 1):
                        out.write(batch)
                        area += float(batch.columns["area_m2"].sum())
    return PolygonizeReport(
        command="polygonize",
        inputs=(str(raster),),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=found[0].warnings,
        footprints=out.count,
        area_m2=round(area, 2),
        threshold=found[0].threshold,
    )
