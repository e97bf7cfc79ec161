"""Places of several classes: the truth beside the prediction, in the colours of their names."""

from __future__ import annotations

import numpy as np

from geoseg.core.encoding import RasterTags
from geoseg.evaluation.compare_files import compare_files
from geoseg.io.raster.write import write_array
from geoseg.report import Run
from geoseg.reports.evaluation_page import pixel_blocks
from geoseg.reports.region_pictures import drawn_pixels
from geoseg.reports.scene_sheet import sheet_of_scene
from geoseg.specs import ComparedGround, EvaluateSpec, PreviewSpec
from tests.scenes import grid


def test_a_prediction_that_numbers_its_classes_otherwise_is_drawn_as_its_truth(tmp_path):
    labels = np.zeros((70, 110), np.uint8)
    labels[8:30, 10:90], labels[40:60, 20:50] = 1, 2
    meaning = np.array([0, 2, 1], np.uint8)
    names = []
    for name, image, classes in (
        ("p", meaning[labels], ("background", "shed", "hall")),
        ("t", labels, ("background", "hall", "shed")),
    ):
        names.append(str(tmp_path / f"{name}.tif"))
        tags = RasterTags(kind="classes", classes=dict(enumerate(classes))).to_dict()
        write_array(names[-1], image, grid(70, 110), tags=tags)
    pair = names[0], names[1]
    found = compare_files(pair, EvaluateSpec(), ComparedGround(), Run()).pixels
    scene = str(tmp_path / "s.tif")
    write_array(scene, np.full((3, 70, 110), 120, np.uint8), grid(70, 110))
    bounds, iou = pixel_blocks(found)
    assert iou.tolist() == [1.0] * len(iou)
    figure = drawn_pixels(pair, found, None, None)({"bounds": bounds[0]})
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    height, width = drawn.shape[:2]
    side = (width - max(1, height // 50)) // 2
    assert len(np.unique(drawn[:, :side].reshape(-1, drawn.shape[2]), axis=0)) >= 3
    np.testing.assert_array_equal(drawn[:, :side], drawn[:, -side:])
    sheet, _ = sheet_of_scene(scene, [names[0]], names[1], None, PreviewSpec(), Run())
    assert len(np.unique(sheet.panels[1].image.reshape(-1, 3), axis=0)) == 3
    np.testing.assert_array_equal(sheet.panels[1].image, sheet.panels[2].image)
