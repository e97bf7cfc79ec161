"""Options that say which part of a scene is read, and how."""

from __future__ import annotations

import click

from geoseg.cli import options
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import SceneSpec

_NODATA = setting(
    SceneSpec,
    "nodata",
    "Value of pixels without data, for imagery that names none.  [default: none]",
    metavar="VALUE",
)
_PLACE = (
    setting(
        SceneSpec,
        "window",
        "Part to read in pixels: COL,ROW,WIDTH,HEIGHT.  [default: all]",
        type=options.PIXELS,
        metavar="LIST",
    ),
    setting(
        SceneSpec,
        "bounds",
        "Part to read in the scene's CRS: LEFT,BOTTOM,RIGHT,TOP.  [default: all]",
        metavar="LIST",
    ),
    setting(
        SceneSpec,
        "bounds_crs",
        "CRS of --bounds, e.g. EPSG:4326.  [default: that of the scene]",
        metavar="CRS",
    ),
    setting(
        SceneSpec,
        "force",
        "Accept scenes that claim far more pixels than their files can hold.",
    ),
)
_PART = (_NODATA, *_PLACE)
_GSD = setting(
    SceneSpec,
    "gsd",
    "Metres per pixel: to resample to, or of imagery without a CRS.  [default: that of the model]",
)
_CRS = click.option(
    "--crs",
    "scene_crs",
    metavar="CRS",
    help="CRS to assume for imagery without one, e.g. EPSG:32633.  [default: none]",
)
place_in_crs = spec_options("scene_spec", SceneSpec, *_PLACE, _CRS)
part = spec_options("scene_spec", SceneSpec, *_PART)
part_in_crs = spec_options("scene_spec", SceneSpec, *_PART, _CRS)
part_and_gsd = spec_options("scene_spec", SceneSpec, *_PART, _GSD)
part_gsd_and_crs = spec_options("scene_spec", SceneSpec, *_PART, _GSD, _CRS)
