"""What the controls of the page do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from geoseg.errors import GeosegError, UsageError
from geoseg.web.jobs import Jobs, OnProgress
from geoseg.web.results import about_scene, failure, map_of, note, score_table, summary
from geoseg.web.steps import OUTLINES
from geoseg.web.workspace import Storage, Workspace

READY = "Upload a scene, or choose a sample."
_SAMPLES = Path(str(resources.files("geoseg.web"))) / "samples"
# Name -> scene and truth, of geoseg's own making (sample_data/generate.py)
SAMPLES: dict[str, tuple[Path, Path | None]] = {
    "Suburb: GeoTIFF with truth": (_SAMPLES / "suburb.tif", _SAMPLES / "suburb.geojson"),
    "Village: photo without coordinates": (_SAMPLES / "village.jpg", None),
}
Update = dict[Any, Any]  # component -> its new value
Sent = dict[str, Any]  # an uploaded file as the page's script names it


@dataclass(frozen=True)
class Parts:
    """The components that handlers read and write."""

    session: gr.State
    scene: gr.File
    sample: gr.Dropdown
    truth: gr.File
    model: gr.Dropdown
    gsd: gr.Number
    run: gr.Button
    threshold: gr.Slider
    min_area: gr.Slider
    outline: gr.Radio
    parted: gr.Checkbox
    status: gr.HTML
    map: gr.HTML
    scores: gr.HTML
    gpkg: gr.DownloadButton
    geojson: gr.DownloadButton
    mask: gr.DownloadButton
    draw: gr.Button
    picture: gr.Image

    @property
    def controls(self) -> list[Any]:
        """What acts on the probabilities without running the model."""
        return [self.threshold, self.min_area, self.outline, self.parted]

    @property
    def files(self) -> dict[str, gr.DownloadButton]:
        return {"gpkg": self.gpkg, "geojson": self.geojson, "mask": self.mask}


def _answering(handler: Callable[..., Update]) -> Callable[..., Update]:
    """``handler``, one at a time for each visitor, whose errors are shown where the page shows how
    it gets on.
    """

    @functools.wraps(handler)
    def answer(self: Handlers, workspace: Workspace | None, *values: Any, **more: Any) -> Update:
        workspace = workspace or Workspace.create(self.store)
        try:
            with workspace.lock:
                update = handler(self, workspace, *values, **more)
        except GeosegError as error:
            update = {self.parts.status: failure(error)}
        return {self.parts.session: workspace} | update

    return answer


@dataclass(frozen=True)
class Handlers:
    """What the controls do; each gets the visitor's workspace and returns what changes."""

    parts: Parts
    models: dict[str, str]
    jobs: Jobs
    store: Storage

    @_answering
    def upload_scene(
        self, workspace: Workspace, sent: Sent | None, progress: gr.Progress = gr.Progress()
    ) -> Update:
        if sent is None:
            return {}
        emptied = {self.parts.scene: None, self.parts.sample: None}
        try:
            workspace.take_scene(sent["path"])
            return self._look(workspace, _onto(progress)) | emptied
        except GeosegError as error:
            return self._refused(workspace, error) | emptied

    @_answering
    def choose_sample(
        self, workspace: Workspace, name: str | None, progress: gr.Progress = gr.Progress()
    ) -> Update:
        if name is None:  # who goes past the list with the tab key chooses nothing
            return {}
        scene, truth = SAMPLES[_offered(name, SAMPLES, self.parts.sample)]
        try:
            workspace.take_sample(scene, truth)
            update = self._look(workspace, _onto(progress))
            if truth:
                self._truth(workspace, _onto(progress))
        except GeosegError as error:
            return self._refused(workspace, error)
        return update | {self.parts.map: map_of(workspace)}

    @_answering
    def upload_truth(
        self,
        workspace: Workspace,
        sent: Sent | None,
        *controls: Any,
        progress: gr.Progress = gr.Progress(),
    ) -> Update:
        emptied = {self.parts.truth: None}
        if sent is None or workspace.scene is None:
            return emptied | {self.parts.status: note("Choose the scene first, then its truth.")}
        try:
            workspace.take_truth(sent["path"])
            self._truth(workspace, _onto(progress))
        except GeosegError as error:
            workspace.forget_truth()
            return emptied | {
                self.parts.map: map_of(workspace),
                self.parts.scores: "",
                self.parts.status: failure(error),
            }
        update: Update = {
            self.parts.map: map_of(workspace),
            self.parts.status: note("The truth is on the map."),
        }
        if workspace.found:
            update = self._trace(workspace, controls, _onto(progress))
        return emptied | update

    @_answering
    def find(
        self,
        workspace: Workspace,
        model: str | None,
        gsd: float | None,
        outline: str | None,
        parted: bool | None,
        progress: gr.Progress = gr.Progress(),
    ) -> Update:
        if workspace.scene is None:
            return {self.parts.status: note(READY)}
        arguments = {
            "scene": workspace.scene,
            "probability": workspace.probability,
            "model": self.models[_offered(model, self.models, self.parts.model)],
            "gsd": None if workspace.placed else gsd or None,
        }
        workspace.model = self._run(workspace, "find", arguments, _onto(progress))
        workspace.map |= workspace.model.pop("map")
        workspace.found = True
        workspace.scores = {}
        threshold = workspace.model["threshold"]
        min_area = workspace.min_area
        controls = (threshold, min_area, outline, parted)
        update = self._trace(workspace, controls, _onto(progress))
        set_by_model = {self.parts.threshold: threshold, self.parts.min_area: min_area}
        return update | set_by_model

    @_answering
    def trace(
        self, workspace: Workspace, *controls: Any, progress: gr.Progress = gr.Progress()
    ) -> Update:
        if not workspace.found:
            return {} if workspace.scene else {self.parts.status: note(READY)}
        return self._trace(workspace, controls, _onto(progress))

    @_answering
    def draw(self, workspace: Workspace, progress: gr.Progress = gr.Progress()) -> Update:
        if not workspace.outputs:
            return {}
        arguments = {
            "scene": workspace.scene,
            "overlays": [workspace.probability, workspace.outputs["gpkg"]],
            "truth": workspace.truth,
            "output": workspace.outputs["picture"],
        }
        self._run(workspace, "draw", arguments, _onto(progress))
        return {self.parts.picture: gr.update(value=workspace.outputs["picture"], visible=True)}

    def _look(self, workspace: Workspace, on_progress: OnProgress) -> Update:
        """A new scene, alone on the map."""
        arguments = {"scene": workspace.scene, "max_pixels": self.jobs.spec.max_pixels}
        seen = self._run(workspace, "look", arguments, on_progress)
        workspace.about = seen["about"]
        workspace.map = seen["map"]
        return self._nothing() | {
            self.parts.status: note(about_scene(str(workspace.scene), workspace.about)),
            self.parts.map: map_of(workspace),
            self.parts.run: gr.update(interactive=True),
        }

    def _refused(self, workspace: Workspace, error: GeosegError) -> Update:
        """No scene: one that is too large or broken is nothing that a later request may work on."""
        workspace.forget_scene()
        return self._nothing() | {self.parts.status: failure(error)}

    def _nothing(self) -> Update:
        """No map, no results, nothing to download."""
        off = gr.update(interactive=False, value=None)
        empty = {self.parts.map: "", self.parts.scores: ""}
        buttons = {self.parts.run: gr.update(interactive=False)}
        buttons[self.parts.draw] = gr.update(interactive=False)
        hidden = {self.parts.picture: gr.update(value=None, visible=False)}
        return empty | buttons | hidden | dict.fromkeys(self.parts.files.values(), off)

    def _truth(self, workspace: Workspace, on_progress: OnProgress) -> None:
        arguments = {"scene": workspace.scene, "truth": workspace.truth}
        workspace.map |= self._run(workspace, "look_at_truth", arguments, on_progress)["map"]

    def _trace(
        self, workspace: Workspace, controls: tuple[Any, ...], on_progress: OnProgress
    ) -> Update:
        """Footprints of the probabilities that are there."""
        threshold, min_area, outline, parted = controls
        settings = {
            "threshold": _number(threshold, self.parts.threshold),
            "min_area": workspace.area(_number(min_area, self.parts.min_area)),
            "outline": _offered(outline, OUTLINES, self.parts.outline),
            "parted": bool(parted),
            "pixel_coords": not workspace.placed,
        }
        scene = {"scene": workspace.scene, "probability": workspace.probability}
        made = self._run(
            workspace,
            "trace",
            scene
            | {
                "settings": settings,
                "outputs": workspace.new_outputs(),
                "truth": workspace.truth,
            },
            on_progress,
        )
        if workspace.truth and not workspace.scores:
            fixed = {
                "truth": workspace.truth,
                "min_area": workspace.area(workspace.min_area),
                "pixel_coords": not workspace.placed,
            }
            workspace.scores = self._run(workspace, "score", scene | fixed, on_progress)
        workspace.map |= made["map"]
        files = {
            component: gr.update(value=workspace.outputs[format], interactive=True)
            for format, component in self.parts.files.items()
        }
        rows = workspace.scores | {"set": made["scores"]} if made["scores"] else {}
        return files | {
            self.parts.status: note(summary(workspace, made)),
            self.parts.map: map_of(workspace),
            self.parts.scores: score_table(rows),
            self.parts.draw: gr.update(interactive=True),
            self.parts.picture: gr.update(value=None, visible=False),
        }

    def _run(
        self, workspace: Workspace, step: str, arguments: dict[str, Any], on_progress: OnProgress
    ) -> dict[str, Any]:
        try:
            return self.jobs.run(step, workspace.folder, arguments, on_progress)
        except GeosegError:
            workspace.forget_drafts()
            raise


# What a control gives is looked at here and not by Gradio, which would end in a traceback what a
# visitor may well do: empty the field of a slider, or type a number beyond its end. Which numbers
# a setting can have, the step itself knows.


def _number(value: float | None, control: Any) -> float:
    """Raises UsageError where the field of ``control`` is empty."""
    if value is None:
        raise UsageError(f"{control.label}: there is no number", "give one")
    return float(value)


def _offered(name: str | None, choices: Container[str], control: Any) -> str:
    """Raises UsageError where ``control`` does not offer ``name``."""
    if name is None or name not in choices:
        raise UsageError(f"{control.label}: this page does not offer {name!r}", "choose again")
    return name


def _onto(progress: gr.Progress) -> OnProgress:
    """Stages of a step on Gradio's bar."""
    return lambda stage, part: progress(part, desc=stage)
