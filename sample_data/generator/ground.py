"""The ground: covers looked up by zone, mottled by noise, furrowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio.features import rasterize

from .easel import Easel
from .noise import Noise
from .styles import Colour, Style
from .world import Zone

STRIP = 256


@dataclass(frozen=True)
class Cover:
    """Two colours that noise mixes, with ``grain`` (fine contrast), furrows every ``period`` m and
    their contrast.
    """

    one: tuple[Colour, ...]
    two: tuple[Colour, ...]
    grain: float = 0.05
    period: float = 0.0
    furrow: float = 0.0
    bias: float = 0.0
    vary: float = 0.06


def covers(style: Style) -> dict[str, Cover]:
    """The look of every cover in a style; ``bias`` above 0 favours the second colour."""
    grass, dry, soil, road = style.grass, style.dry, style.soil, style.asphalt
    dark = tuple((int(r * 0.8), int(g * 0.8), int(b * 0.8)) for r, g, b in road)
    light = tuple(
        (min(235, int(r * 1.18 + 8)), min(235, int(g * 1.18 + 8)), min(235, int(b * 1.18 + 6)))
        for r, g, b in road
    )
    litter = tuple((int(r * 0.62), int(g * 0.66), int(b * 0.6)) for r, g, b in grass)
    concrete = ((176, 170, 160), (160, 156, 148), (190, 184, 172))
    d = (style.dryness - 0.4) * 2.2
    return {
        "verge": Cover(grass, soil, 0.08, bias=d - 0.1),
        "lawn": Cover(grass, dry, 0.05, bias=d - 0.6),
        "meadow": Cover(grass, dry, 0.08, bias=d),
        "scrub": Cover(grass, soil, 0.13, bias=d - 0.2),
        "forest_floor": Cover(litter, dry, 0.12, bias=-1.2),
        "garden": Cover(soil, grass, 0.09, 1.1, 0.16, -0.1, 0.1),
        "yard": Cover(soil, grass, 0.07, bias=-0.7),
        "swept": Cover(soil, soil, 0.05, bias=0),
        "track": Cover(style.track, soil, 0.05, bias=-0.4),
        "field_bare": Cover(soil, soil, 0.06, 1.3, 0.09, 0, 0.1),
        "field_green": Cover(grass, dry, 0.05, 2.4, 0.06, -1.1, 0.12),
        "field_ripe": Cover(dry, grass, 0.05, 3.2, 0.05, -0.9, 0.1),
        "field_rows": Cover(soil, grass, 0.08, 1.7, 0.24, 0.1, 0.08),
        "gravel": Cover(((164, 156, 144), (174, 166, 152)), ((156, 146, 132),), 0.06, bias=-0.4),
        "sand": Cover(((210, 194, 160),), ((196, 178, 144),), 0.04),
        "asphalt": Cover(road, dark, 0.04, bias=-0.4),
        "asphalt_yard": Cover(road, dark, 0.045, bias=-0.6),
        "concrete": Cover(concrete, soil, 0.04, bias=-1.2),
        "concrete_yard": Cover(concrete, ((158, 152, 144),), 0.045, 6.0, 0.02, -0.3),
        "pavers": Cover(
            ((182, 164, 148), (170, 160, 150), (190, 178, 164), (168, 142, 124)),
            concrete,
            0.06,
            1.0,
            0.03,
            -0.8,
            0.1,
        ),
        "wood": Cover(((146, 118, 92),), ((128, 104, 84),), 0.06, 0.9, 0.07),
        "footway": Cover(tuple((r, g, b - 4) for r, g, b in light), concrete, 0.04),
        "road": Cover(road, dark, 0.035, bias=-0.5),
        "road_dark": Cover(dark, road, 0.035, bias=-0.6),
        "road_light": Cover(light, road, 0.035, bias=-0.6),
        "mark": Cover(((212, 210, 204),), road, 0.05, bias=-1.0, vary=0.02),
        "faint_mark": Cover(((186, 184, 180),), road, 0.05, bias=-0.8, vary=0.02),
        "water": Cover(
            ((98, 176, 190), (84, 160, 186), (120, 190, 196)), ((70, 140, 170),), 0.03, bias=-0.5
        ),
        "court": Cover(((168, 96, 76), (78, 120, 96), (82, 112, 140)), soil, 0.03, bias=-1.6),
    }


def paint_ground(easel: Easel, zones: list[Zone], style: Style, rng: np.random.Generator) -> None:
    """Fill the canvas with the ground."""
    zones, noise = sorted(zones, key=lambda z: z.crisp), easel.noise
    soft = _burn(zones, easel.shape, easel.gsd, crisp=False)
    hard = _burn(zones, easel.shape, easel.gsd, crisp=True)
    tables = _tables(zones, style, rng)
    for row in range(0, easel.shape[0], STRIP):
        rows = np.arange(row, min(row + STRIP, easel.shape[0]))
        crisp = hard[rows]
        ids = np.where(crisp > 0, crisp, _roughened(soft, rows, noise))
        easel.canvas[rows[0] : rows[-1] + 1] = _shade(ids, crisp > 0, rows, tables, noise)


def _burn(zones: list[Zone], shape: tuple[int, int], gsd: float, crisp: bool) -> np.ndarray:
    shapes = [
        (z.shape, i) for i, z in enumerate(zones) if z.crisp is crisp and not z.shape.is_empty
    ]
    if not shapes:
        return np.zeros(shape, np.int32)
    burned: np.ndarray = rasterize(shapes, shape, transform=Affine.scale(gsd), dtype="int32")
    return burned


def _roughened(ids: np.ndarray, rows: np.ndarray, noise: Noise) -> np.ndarray:
    """Ground rarely changes along a ruler: zones are looked up a little off, by noise."""
    cols = np.arange(ids.shape[1])
    reach = 0.45 / noise.gsd
    up = noise.tile("clump", rows, cols) * reach + noise.tile("white", rows, cols) * 0.4 * reach
    aside = (
        noise.tile("clump", rows + 431, cols + 217) * reach
        + noise.tile("white", rows + 99, cols) * 0.4 * reach
    )
    r = np.clip(np.rint(rows[:, None] + up).astype(np.int32), 0, ids.shape[0] - 1)
    c = np.clip(np.rint(cols[None] + aside).astype(np.int32), 0, ids.shape[1] - 1)
    return ids[r, c]


def _tables(zones: list[Zone], style: Style, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Per zone: both colours, grain, furrows; drawn once so that a zone is of a piece."""
    looks, rows = covers(style), []
    for zone in zones:
        look = looks[zone.cover]
        one = np.array(look.one[int(rng.integers(len(look.one)))]) * rng.normal(
            1, look.vary
        ) + rng.normal(0, 2.5, 3)
        two = np.array(look.two[int(rng.integers(len(look.two)))]) * rng.normal(1, look.vary)
        two = two + (one - two) * rng.uniform(0.1, 0.55)
        period = look.period * rng.uniform(0.8, 1.25)
        rows.append(
            (
                *one,
                *two,
                look.grain,
                look.furrow,
                period,
                np.cos(zone.angle),
                np.sin(zone.angle),
                look.bias + rng.normal(0, 0.25),
            )
        )
    table = np.array(rows, np.float32)
    names = ("grain", "furrow", "period", "cos", "sin", "bias")
    return {"one": table[:, :3], "two": table[:, 3:6]} | {
        n: table[:, 6 + i].copy() for i, n in enumerate(names)
    }


def _shade(
    ids: np.ndarray,
    crisp: np.ndarray,
    rows: np.ndarray,
    tables: dict[str, np.ndarray],
    noise: Noise,
) -> np.ndarray:
    height, width = ids.shape
    cols = np.arange(width)
    mid, clump = noise.tile("mid", rows, cols), noise.tile("clump", rows + 77, cols + 31)
    grain = noise.tile("grain", rows, cols)
    wide = noise.field(1, rows[0], height, width)
    fleck = noise.tile("grain", rows + 301, cols + 113)
    mix = 0.5 * mid + 0.3 * clump + np.where(crisp, 0, 0.55 * wide + 0.45 * fleck)
    mix = 1 / (1 + np.exp(-1.7 * (mix + tables["bias"][ids] - 0.2)))
    contrast = tables["grain"][ids]
    light = (
        1
        + contrast * (grain + 0.4 * noise.tile("white", rows, cols))
        + 0.035 * noise.field(0, rows[0], height, width)
        + 0.03 * mid
    )
    furrow = tables["furrow"][ids]
    if furrow.any():
        period = np.maximum(tables["period"][ids], 2.6 * noise.gsd)
        across = -cols[None] * tables["sin"][ids] + rows[:, None] * tables["cos"][ids]
        wave = np.sin(2 * np.pi * across * noise.gsd / period + 0.5 * clump)
        light += furrow * wave * (0.8 + 0.4 * clump)
    image = tables["one"][ids] + (tables["two"][ids] - tables["one"][ids]) * mix[..., None]
    image *= light[..., None]
    return np.clip(image, 12, 250).astype(np.uint8)
