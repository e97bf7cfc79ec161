"""Small chips to train on, cut from a generated scene."""

from __future__ import annotations

from pathlib import Path

from geoseg.io.raster.write import write_array
from geoseg.specs import ChipSpec, TrainSpec
from geoseg.tools import tile
from tests.scenes import buildings, grid, write_scene

# A few steps of the smallest network, in a second or two
QUICK = TrainSpec(
    arch="cnn", epochs=3, batch_size=2, samples=6, crop=32, lr=3e-3, precision="fp32", seed=1
)
# Enough for a small U-Net to tell classes of plain colours apart
SMALL = TrainSpec(
    arch="unet",
    encoder="tu-mobilenetv3_small_050",
    options=(("decoder_channels", (16, 16, 8, 8, 8)),),
    epochs=3,
    samples=64,
    batch_size=8,
    crop=64,
    lr=1e-2,
    precision="fp32",
    augment="light",
)


def cut_chips(folder: Path) -> Path:
    """Folder of 96 chips of 40 pixels a side, 12 of them for validation."""
    mask = buildings(160, 240, 31)
    write_scene(folder / "scene.tif", mask)
    write_array(folder / "mask.tif", mask.astype("uint8"), grid(*mask.shape))
    spec = ChipSpec(size=40, split=(0.5, 0.5, 0.0), split_by="random")
    tile.run([str(folder / "scene.tif")], folder / "chips", spec, labels=folder / "mask.tif")
    return folder / "chips"
