"""A model over labelled data: chips of a split, or windows of scenes with their labels.

Both become :class:`~geoseg.evaluation.chips.ChipPrediction`. A chip is predicted by itself. A scene
is predicted whole, as `geoseg extract` does, and its windows are cut from what comes out, so that
each sees what lies around it:

    strips of probability, from the top      windows of the split
    ================================
    ================================   ->    +----+      +----+
    ================================         | a  |      | b  |   held until their last row is there
    ================================         +----+      +----+
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.chips.scene_windows import (
    SceneWindow,
    SplitOutlines,
    index_outlines,
    scenes_among,
    windows_of,
)
from geoseg.core.encoding import VOID
from geoseg.core.tiling import outlines
from geoseg.errors import SettingError, UnsuitableError
from geoseg.evaluation.chips import ChipPrediction, predict_chips
from geoseg.geometry.burn import Burner
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.geometry.surface import surfaces
from geoseg.inference.plan import working_gsd
from geoseg.inference.session import LoadedModel
from geoseg.inference.stream import ProbabilityStrip, Wanted
from geoseg.io.chip_index import ChipIndex, ChipInfo, read_index
from geoseg.io.raster.scene import open_scene
from geoseg.report import Run, no_progress
from geoseg.specs import ChipSpec, LabelledData, ModelSpec, PredictSpec, SceneSpec


@dataclass(frozen=True)
class Labelled:
    """Data opened for a model: ``model`` as far as the labels show it (whole buildings where they
    have no boundaries), and how many ``chips`` or windows there are. ``outlines`` are where those
    of all splits lie, in the first folder or scene.
    """

    loaded: LoadedModel
    model: ModelSpec
    indexes: tuple[ChipIndex, ...]
    windows: tuple[SceneWindow, ...]
    split: str
    outlines: SplitOutlines

    @property
    def chips(self) -> int:
        return len(self.windows) + sum(len(index.split(self.split)) for index in self.indexes)

    def predictions(self, accompany: Run) -> Iterator[ChipPrediction]:
        """What the model predicts for each of them."""
        advance = accompany.progress(self.split, self.chips)
        for answer in self._predictions(accompany):
            yield answer if self.model is self.loaded.model else self._whole(answer)
            advance(1)

    def _predictions(self, accompany: Run) -> Iterator[ChipPrediction]:
        for index in self.indexes:
            yield from predict_chips(index, self.split, self.loaded, accompany.remarks)
        by_scene: dict[str, list[SceneWindow]] = {}
        for window in self.windows:
            by_scene.setdefault(window.scene.path, []).append(window)
        for windows in by_scene.values():
            yield from _predict_windows(windows, self.loaded, accompany)

    def _whole(self, answer: ChipPrediction) -> ChipPrediction:
        """With the probability (1, row, col) of buildings with their boundary, which parts them;
        labels alike.
        """
        surface = surfaces(self.loaded.model.classes)[0]
        scores, margin = surface.score(answer.probability[list(surface.channels)])
        whole = replace(answer, probability=scores[None], boundary_margin=margin)
        boundary = answer.truth == surface.boundary_channel
        if not boundary.any():
            return whole
        return replace(
            whole,
            truth=np.where(boundary, surface.channel, answer.truth),
            true_margin=np.where(boundary, 1, -1).astype(np.int16),
        )


def open_labelled(
    data: LabelledData,
    model: Path | None,
    spec: PredictSpec,
    accompany: Run,
    whole: bool = False,
) -> Labelled:
    """Open the model (the bundled one by default) and the data; ``whole`` takes buildings with
    their boundary even where these are two classes of the labels.

    Raises UnsuitableError where the split is empty, chips have no mask, or the classes are not the
    model's.
    """
    scenes = scenes_among(data.data, data.labels is not None)
    indexes = tuple(read_index(path) for path in data.data if path not in scenes)
    if data.bands and not scenes:
        raise SettingError("bands", "applies to scenes")
    loaded = LoadedModel(model, spec)
    infos = {str(index.folder): index.info for index in indexes}
    places = [index_outlines(index) for index in indexes]
    windows: tuple[SceneWindow, ...] = ()
    if scenes and data.labels is not None:
        gsd = _gsd(scenes, loaded.model)
        loaded = LoadedModel(loaded.path, spec, SceneSpec(gsd=gsd))
        everything = data.split == "all"
        cut = ChipSpec(
            # as training cuts them
            2 * loaded.model.size,
            bands=data.bands,
            gsd=gsd,
            split=(1.0, 0.0, 0.0) if everything else data.fractions,
            seed=data.seed,
        )
        found = windows_of(scenes, data.labels, cut, accompany.remarks)
        chosen = found.splits["train" if everything else data.split]
        windows = tuple(_unshared(window, cut.size) for window in chosen)  # type: ignore[arg-type]
        infos[", ".join(scenes)] = found.info
        layer = found.outlines.layer
        splits = np.full(len(layer), "all") if everything else found.outlines.splits
        places.append(SplitOutlines(layer, splits))
    labelled = [_fitting(loaded, name, info, whole) for name, info in infos.items()]
    opened = Labelled(loaded, labelled[0], indexes, windows, data.split, places[0])
    if any(each != labelled[0] for each in labelled):
        raise UnsuitableError(f"{data}: the masks name different classes")
    if not opened.chips:
        hint = "its windows are few; `split` all takes them all" if scenes else None
        raise UnsuitableError(f"{data}: its {data.split} split is empty", hint)
    return opened


def _fitting(loaded: LoadedModel, name: str, info: ChipInfo, whole: bool) -> ModelSpec:
    """The model as far as the labels show it, or of ``whole`` buildings. Raises UnsuitableError
    where it has other classes.
    """
    model = loaded.model
    labelled = model.for_labels(info.classes)
    if (len(info.classes), info.multilabel) != (len(labelled.classes), model.multilabel):
        raise UnsuitableError(
            f"{loaded.name}: predicts the classes {', '.join(model.classes)}, but {name} has "
            f"{', '.join(info.classes)}"
        )
    return model.for_labels(info.classes[:2]) if whole else labelled


def _gsd(scenes: Sequence[str], model: ModelSpec) -> float | None:
    """GSD at which the model takes the scenes, None where it takes them as they are."""
    for path in scenes:
        with open_scene(path) as scene:
            if gsd := working_gsd(model, scene.grid, path, scene.picture_gsd):
                return gsd
    return None


def _unshared(window: SceneWindow, size: int) -> SceneWindow:
    """Without the pixels that the last windows of a row or column, moved inwards to fit, share with
    those before them.
    """
    tile = window.tile
    row = tile.row * size
    col = tile.col * size
    part = tile.window
    height = int(part.row_off + part.height) - row
    width = int(part.col_off + part.width) - col
    return replace(window, tile=replace(tile, window=Window(col, row, width, height)))


def _predict_windows(
    windows: Sequence[SceneWindow], loaded: LoadedModel, accompany: Run
) -> Iterator[ChipPrediction]:
    """What the model predicts for windows of one scene."""
    scene = windows[0].scene
    with loaded.open(scene.path, scene.bands) as run:
        accompany.remarks += run.plan.warnings
        area = Burner(outlines([window.tile.window for window in windows], scene.grid.transform))
        with closing(run.strips(accompany.clock, no_progress, Wanted(area))) as strips:
            for window, probability, valid in _cut(strips, windows):
                yield _labelled(window, probability, valid)


def _cut(
    strips: Iterable[ProbabilityStrip], windows: Sequence[SceneWindow]
) -> Iterator[tuple[SceneWindow, np.ndarray, np.ndarray]]:
    """Probability (channel, row, col) and validity (row, col) of each window, as soon as the strips
    reach its last row. No more rows are held than windows are high.
    """
    waiting = sorted(windows, key=_last_row)
    held: list[ProbabilityStrip] = []
    for strip in strips:
        held.append(strip)
        while waiting and _last_row(waiting[0]) <= strip.row + len(strip.valid):
            window = waiting.pop(0)
            part = window.tile.window
            rows = slice(part.row_off - held[0].row, _last_row(window) - held[0].row)
            cols = slice(part.col_off, part.col_off + part.width)
            probability = np.concatenate([each.probability[..., cols] for each in held], axis=1)
            valid = np.concatenate([each.valid[:, cols] for each in held])
            yield window, probability[:, rows], valid[rows]
        first = min((each.tile.window.row_off for each in waiting), default=0)
        held = [each for each in held if waiting and each.row + len(each.valid) > first]


def _last_row(window: SceneWindow) -> int:
    part = window.tile.window
    return int(part.row_off + part.height)


def _labelled(window: SceneWindow, probability: np.ndarray, valid: np.ndarray) -> ChipPrediction:
    scene = window.scene
    truth = window.labels()
    grid = scene.grid.window(window.tile.window)
    footprints = None
    if scene.burner is not None:
        # touching buildings are one in a mask, so their own outlines are taken; a burner has them
        # in the pixels of its grid
        reaching = scene.burner.geometry[scene.burner.inside(grid)]
        footprints = to_crs_coordinates(reaching, scene.grid.transform)
    return ChipPrediction(
        window.name,
        probability,
        valid & (truth != VOID),
        truth,
        grid,
        footprints=footprints,
        scene=scene.path,
    )
