import numpy as np
import pytest
from PIL import Image

from geoseg.errors import UnsuitableError, UsageError
from geoseg.report import no_progress
from geoseg.reports.chip_sheet import sheet_of_chips
from geoseg.specs import ChipSpec, PreviewSpec
from geoseg.tools import tile
from geoseg.tools.preview import run
from tests.scenes import buildings, grid, write_scene

MASK = buildings(160, 240)


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    from geoseg.io.raster.write import write_array

    folder = tmp_path_factory.mktemp("chips")
    scene = write_scene(folder / "scene.tif", MASK, grid(160, 240))
    write_array(folder / "mask.tif", MASK.astype("uint8"), grid(160, 240))
    tile.run(
        [str(scene)],
        folder / "out",
        ChipSpec(size=40, split=(0.5, 0.25, 0.25)),
        labels=folder / "mask.tif",
    )
    return str(folder / "out")


def test_some_chips_of_a_split(chips, tmp_path):
    report = run(chips, [], tmp_path / "a.png", PreviewSpec(size=400, count=5))
    assert report.chips == 5 and max(Image.open(tmp_path / "a.png").size) == 400
    sheet, count = sheet_of_chips(chips, PreviewSpec(size=400, split="train"), no_progress)
    assert len(sheet.panels) == count < 24 and "train chips" in sheet.title


def test_the_choice_is_the_seeds(chips):
    def names(seed):
        return [
            panel.title
            for panel in sheet_of_chips(
                chips, PreviewSpec(size=300, count=6, seed=seed), no_progress
            )[0].panels
        ]

    assert names(1) == names(1) and names(1) != names(2) and names(1) == sorted(names(1))


def test_masks_are_drawn(chips):
    plain, _ = sheet_of_chips(chips, PreviewSpec(size=300, count=3, opacity=0.0), no_progress)
    laid, _ = sheet_of_chips(chips, PreviewSpec(size=300, count=3, opacity=0.9), no_progress)
    assert laid.keys == {"building": "#ffb000"}
    assert all(
        (one.image != two.image).any() for one, two in zip(plain.panels, laid.panels, strict=True)
    )


def test_chips_as_training_sees_them(chips, tmp_path):
    pytest.importorskip("torch")
    spec = PreviewSpec(size=400, count=2, augment="strong")
    sheet, count = sheet_of_chips(chips, spec, no_progress)
    assert count == 2 and len(sheet.panels) == 12 and sheet.columns == 6
    again, _ = sheet_of_chips(chips, spec, no_progress)
    assert all(
        (one.image == two.image).all() for one, two in zip(sheet.panels, again.panels, strict=True)
    )
    crops = [panel.image for panel in sheet.panels[1:6]]
    assert len({image.tobytes() for image in crops}) == 5 and {image.shape for image in crops} == {
        (256, 256, 3)
    }


def test_an_empty_split_and_what_is_for_scenes(chips, tmp_path):
    with pytest.raises(UnsuitableError, match=r"no chips in the split nothing \(there are"):
        run(chips, [], tmp_path / "a.png", PreviewSpec(split="nothing"))
    with pytest.raises(UsageError, match="is a chip index"):
        run(chips, ["mask.tif"], tmp_path / "a.png")


def test_chips_without_masks(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", MASK, grid(160, 240))
    tile.run([str(scene)], tmp_path / "out", ChipSpec(size=80))
    sheet, count = sheet_of_chips(str(tmp_path / "out"), PreviewSpec(size=300), no_progress)
    assert count == 6 and sheet.keys == {}
    assert np.ptp([panel.image.shape[0] for panel in sheet.panels]) == 0
