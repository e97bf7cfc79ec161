"""Classes of footprints become values of a mask, and their names its tags."""

import numpy as np
import pytest

from geoseg.core.encoding import RasterTags
from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import open_scene, read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import MaskSpec
from geoseg.tools import rasterize
from tests.tools.boxes import BOXES, GRID, layer


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    write_array(path, np.zeros((3, *GRID.shape), np.uint8), GRID)
    return path


@pytest.mark.parametrize(
    ("column", "classes", "values"),
    [
        (["shed", "house"], {"house": 1, "shed": 2}, (2, 1)),
        ([7, 3], {"3": 3, "7": 7}, (7, 3)),
        ([7.0, 3.0], {"3": 3, "7": 7}, (7, 3)),
        (["house", None], {"house": 1}, (1, 0)),
        (["house", ""], {"house": 1}, (1, 0)),
        # a class is never the background
        ([5, 0], {"0": 1, "5": 2}, (2, 1)),
        ([0.0, 9.0], {"0": 1, "9": 2}, (1, 2)),
        ([True, False], {"false": 1, "true": 2}, (2, 1)),
        (["0", "1"], {"0": 1, "1": 2}, (1, 2)),
    ],
)
def test_class_field(tmp_path, scene, column, classes, values):
    layer(BOXES, kind=column).to_file(tmp_path / "f.gpkg")
    report = rasterize.run(
        tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", MaskSpec(class_field="kind")
    )
    mask = read_array(tmp_path / "mask.tif")[0][0]
    assert report.classes == classes
    assert (mask[15, 110], mask[70, 10], mask[50, 70]) == (*values, 0)
    assert any("without a kind" in w for w in report.warnings) == bool({None, ""} & {*column})
    renumbered = any("0 is the background of a mask" in w for w in report.warnings)
    assert renumbered == (column in ([5, 0], [0.0, 9.0]))
    with open_scene(tmp_path / "mask.tif") as out:
        tags = RasterTags.parse(out.tags, out.path)
    assert tags.kind == "classes"
    assert tags.classes == {0: "background"} | {value: name for name, value in classes.items()}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.5, 2], "no integers"),
        ([300, 2], "class 300 of kind does not fit"),
        ([-1, 2], "class -1 of kind"),
    ],
)
def test_classes_that_do_not_fit(tmp_path, scene, column, message):
    layer(BOXES, kind=column).to_file(tmp_path / "f.gpkg")
    with pytest.raises(UnsuitableError, match=message):
        rasterize.run(
            tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", MaskSpec(class_field="kind")
        )
    with pytest.raises(UnsuitableError, match=r"has no column use \(its columns: kind\)"):
        rasterize.run(
            tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", MaskSpec(class_field="use")
        )
    assert not (tmp_path / "mask.tif").exists()


def test_classes_beside_other_kinds(tmp_path, scene):
    layer(BOXES, kind=["shed", "house"]).to_file(tmp_path / "f.gpkg")
    spec = MaskSpec(("footprint", "instance"), class_field="kind")
    assert rasterize.run(tmp_path / "f.gpkg", scene, tmp_path / "mask.tif", spec).classes == {
        "house": 1,
        "shed": 2,
    }
    masks = read_array(tmp_path / "mask.tif")[0]
    assert masks[:, 15, 110].tolist() == [2, 1] and masks[:, 70, 10].tolist() == [1, 2]
