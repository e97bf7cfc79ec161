"""Chips of the bundled model: python docs/recipes/default_model_chips.py DATA WORK [TEACHER]

DATA holds the data sets that default-model.toml names. WORK receives a chip folder a place, and
``sets.txt``: a line with the folder and the share of the crops of each. A TEACHER is a model that
was trained on them: it labels the imagery of places whose labels may not be trained on.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from pyproj import CRS
from rasterio.merge import merge
from rasterio.warp import Resampling, reproject
from scipy import ndimage
from shapely.geometry import box

import geoseg
from geoseg.core.encoding import PROBABILITY_STEPS, VOID
from geoseg.core.grid import Grid
from geoseg.geometry.burn import Burner
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.targets import distance
from geoseg.io.chip_index import ChipInfo, read_index, write_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.labels.footprints import footprints_in
from geoseg.report import Remarks

HERE = Path(__file__).resolve().parent
CLASSES = ("background", "building", "boundary")
Chip = tuple[
    str, str, np.ndarray, np.ndarray
]  # name, split, image (band, row, col), mask (row, col)


def main() -> None:
    data, work = Path(sys.argv[1]), Path(sys.argv[2])
    plan = tomllib.loads((HERE / "default-model.toml").read_text())
    shares = {}
    for place in plan["set"]:
        save(work / place["name"], chips_of_place(data, place, plan), plan)
        shares[place["name"]] = place["share"]
    save(work / plan["ground"]["name"], chips_of_ground(data, plan), plan)
    shares[plan["ground"]["name"]] = plan["ground"]["share"]
    for scenes in plan["generated"]:
        save(work / scenes["name"], chips_of_generated(work, scenes, plan), plan)
        shares[scenes["name"]] = scenes["share"]
    save(work / "coarse", coarse_copies(work, plan), plan)
    shares["coarse"] = plan["coarse"]["share"]
    if len(sys.argv) > 3:
        pupil = plan["taught"]
        save(work / pupil["name"], chips_of_teacher(data, plan, Path(sys.argv[3])), plan)
        shares[pupil["name"]] = pupil["share"]
    (work / "sets.txt").write_text(
        "".join(f"{work / name} {share}\n" for name, share in shares.items())
    )


def chips_of_place(data: Path, place: dict[str, Any], plan: dict[str, Any]) -> Iterator[Chip]:
    """The scenes of a place: what is left of the line at 1 - ``hold`` of the width trains, the rest
    validates.
    """
    for number, scene in enumerate(place["scenes"]):
        images, labels = (sorted(data.glob(scene[part])) for part in ("images", "labels"))
        if not images or not labels:
            raise SystemExit(f"{data}: holds no {scene['images']}, or no labels")
        image, valid, numbers, size = resampled(images, labels, plan["chip"])
        mask = edges(numbers, size, plan["boundary"])
        mask[
            ~ndimage.binary_erosion(
                valid, iterations=1 + round(place.get("margin", 0) / plan["chip"]), border_value=0
            )
        ] = VOID
        line = round(image.shape[2] * (1 - scene.get("hold", 0.0)))
        parts = {"train": slice(0, line), "val": slice(line, None)}
        for split, cols in parts.items():
            if mask[:, cols].size:
                yield f"{number}", split, image[..., cols], mask[:, cols]


def resampled(images: Sequence[Path], labels: Sequence[Path], gsd: float) -> tuple[np.ndarray, ...]:
    """Image uint8 (3, row, col), valid and numbers of buildings (row, col) of files side by side;
    metres a pixel (x, y).
    """
    raw, transform = merge(images, indexes=[1, 2, 3])
    with rasterio.open(images[0]) as file:
        crs = CRS.from_user_input(file.crs)
    own = Grid(crs, transform, *raw.shape[1:])
    grid = own.scaled(own.gsd / gsd)
    there = ndimage.binary_opening(raw.any(axis=0), iterations=3)
    image = onto(raw, own, grid, Resampling.average if own.gsd < gsd else Resampling.cubic)
    valid = onto(there.astype("uint8"), own, grid, Resampling.nearest) > 0
    if labels[0].suffix == ".geojson":
        shapes = np.concatenate([footprints_in(path, crs, Remarks()).geometry for path in labels])
        numbers = Burner(shapes, grid, values=range(1, len(shapes) + 1), dtype="uint32").burn(grid)
    else:
        known, _ = merge(labels)
        numbers = onto(
            ndimage.label(known[0] > 0)[0].astype("uint32"), own, grid, Resampling.nearest
        )
    return image, valid, numbers, pixel_size(grid)


def onto(array: np.ndarray, own: Grid, grid: Grid, how: Resampling) -> np.ndarray:
    """``array`` on the ``own`` grid, on another ``grid``."""
    out = np.zeros((*array.shape[:-2], *grid.shape), array.dtype)
    ends = {
        "src_transform": own.transform,
        "src_crs": own.crs,
        "dst_transform": grid.transform,
        "dst_crs": grid.crs,
    }
    reproject(array, out, **ends, resampling=how)
    return out


def edges(numbers: np.ndarray, size: tuple[float, float], width: float) -> np.ndarray:
    """Classes uint8 (row, col): 1 in buildings, 2 where another building or the ground is at most
    ``width`` metres away.
    """
    return np.where(
        numbers > 0, 1 + (distance(numbers.astype("uint32"), size, width) <= np.float32(width)), 0
    ).astype("uint8")


def chips_of_ground(data: Path, plan: dict[str, Any]) -> Iterator[Chip]:
    """Pictures whose buildings, with what is ``apart`` pixels or less from them, are ignored."""
    ground = plan["ground"]
    factor = ground["metres"] / plan["chip"]
    for path, truth in zip(
        sorted(data.glob(ground["images"])), sorted(data.glob(ground["labels"])), strict=True
    ):
        if path.name.startswith(tuple(ground["untouched"])):
            continue
        picture = Image.open(path).convert("RGB")
        colours = np.asarray(Image.open(truth).convert("RGB"))
        known = np.any([(colours == colour).all(axis=-1) for colour in ground["known"]], axis=0)
        known = ndimage.binary_erosion(known, iterations=ground["apart"], border_value=1)
        if known.mean() < 0.1:
            continue
        size = [round(side * factor) for side in picture.size]
        image = np.asarray(picture.resize(size, Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        mask = np.asarray(
            Image.fromarray(np.where(known, 0, VOID).astype("uint8")).resize(
                size, Image.Resampling.NEAREST
            )
        )
        held = path.name.startswith(ground["hold"])
        if not held or path.stem.endswith(("1", "5")):  # two of those that are held are enough
            yield path.stem, "val" if held else "train", image, mask


def chips_of_teacher(data: Path, plan: dict[str, Any], teacher: Path) -> Iterator[Chip]:
    """Pictures labelled by a model where it is sure: self-training (Xie et al., CVPR 2020)."""
    pupil = plan["taught"]
    ground, building_from = 1 - pupil["ground_below"], 1 - pupil["building_above"]
    images = sorted(data.glob(pupil["images"]))
    with tempfile.TemporaryDirectory() as folder:
        geoseg.predict(images, folder, model=teacher, tta="d4")
        for path in images:
            pixels, _, own = read_array(path)
            found, valid, _ = read_array(next(Path(folder).glob(f"{path.stem}.*")))
            background, building, boundary = found / np.float32(PROBABILITY_STEPS)
            mask = np.where(boundary > building, 2, 1).astype("uint8")
            mask[background > building_from] = VOID
            mask[background >= ground] = 0
            mask[~valid] = VOID
            grid = own.scaled(own.gsd / plan["chip"])
            yield (
                path.stem,
                "train",
                onto(pixels[:3], own, grid, Resampling.cubic),
                onto(mask, own, grid, Resampling.nearest),
            )


def chips_of_generated(work: Path, wanted: dict[str, Any], plan: dict[str, Any]) -> Iterator[Chip]:
    """Scenes of the generator in the ``wanted`` styles, ``bare`` ones without a building."""
    bare = wanted.get("bare", False)
    for seed in wanted["seeds"]:
        for style in wanted["styles"]:
            name = f"{'bare_' * bare}{style}{seed}"
            scene, footprints = work / f"{name}.tif", work / f"{name}.gpkg"
            if not scene.is_file():
                script = HERE.parents[1] / "sample_data/generate.py"
                size = ["--height", "1000", "--width", "1500", "--gsd", str(plan["chip"])]
                more = [*size, "--nodata", "0", "--seed", str(seed), "--style", style]
                paths = ["-o", scene, "--footprints", footprints]
                subprocess.run(
                    [sys.executable, script, *paths, *more, *["--bare"] * bare], check=True
                )
            with rasterio.open(scene) as file:
                image, grid = (
                    file.read(),
                    Grid(CRS.from_user_input(file.crs), file.transform, *file.shape),
                )
            mask = np.zeros(grid.shape, "uint8")
            if not bare:
                shapes = footprints_in(footprints, grid.crs, Remarks()).geometry
                numbers = Burner(
                    shapes, grid, values=range(1, len(shapes) + 1), dtype="uint32"
                ).burn(grid)
                mask = edges(numbers, pixel_size(grid), plan["boundary"])
            yield name, "val" if name in wanted.get("hold", ()) else "train", image, mask


def coarse_copies(work: Path, plan: dict[str, Any]) -> Iterator[Chip]:
    """Chips that train, with less detail, some without colour."""
    number = 0
    for folder in plan["coarse"]["of"]:
        index = read_index(work / folder)
        for row in index.split("train").itertuples():
            image, mask = (read_array(index.folder / name)[0] for name in (row.image, row.mask))
            metres = plan["coarse"]["metres"][number % len(plan["coarse"]["metres"])]
            yield (
                f"{folder}_{row.scene}",
                "train",
                coarse(image, metres / plan["chip"], grey=number % 2 == 1),
                mask[0],
            )
            number += 1


def coarse(image: np.ndarray, factor: float, grey: bool) -> np.ndarray:
    picture = Image.fromarray(image.transpose(1, 2, 0))
    picture = picture.convert("L").convert("RGB") if grey else picture
    small = picture.resize([round(side / factor) for side in picture.size], Image.Resampling.BOX)
    return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def save(folder: Path, chips: Iterator[Chip], plan: dict[str, Any]) -> None:
    """Write a chip folder, unless it is there."""
    if (folder / "index.parquet").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    gsd, rows = plan["chip"], []
    for name, split, image, mask in chips:
        if split == "train":
            image, mask = mirrored(image, plan["shortest"]), mirrored(mask, plan["shortest"])
        stem = f"{name}_{split}"
        transform = Affine(gsd, 0, 0, 0, -gsd, 0)
        grid = Grid(CRS.from_epsg(32633), transform, *mask.shape)
        write_array(folder / f"{stem}.tif", image, grid, overwrite=True)
        write_array(folder / f"{stem}_mask.tif", mask[None], grid, overwrite=True)
        share = float((mask != VOID).mean())
        paths = {
            "image": f"{stem}.tif",
            "mask": f"{stem}_mask.tif",
            "geometry": box(0, 0, mask.shape[1], mask.shape[0]),
        }
        rows.append(
            {
                "id": stem,
                "scene": name,
                "row": 0,
                "col": 0,
                "split": split,
                "valid_fraction": share,
                **paths,
            }
        )
        counts = np.bincount(mask.ravel(), minlength=256)
        print(
            f"{folder.name}/{stem}: {mask.shape[1]} x {mask.shape[0]}, building "
            f"{counts[1:3].sum() / mask.size:.3f}",
            flush=True,
        )
    write_index(folder, rows, ChipInfo(3, "uint8", gsd, CLASSES), None)


def mirrored(array: np.ndarray, shortest: int) -> np.ndarray:
    """``array`` (..., row, col) continued by its mirror image until both sides have ``shortest``
    pixels.
    """
    missing = [max(0, shortest - side) for side in array.shape[-2:]]
    around = [(0, 0)] * (array.ndim - 2) + [(more // 2, more - more // 2) for more in missing]
    return np.pad(array, around, mode="symmetric")


if __name__ == "__main__":
    main()
