"""The page: its layout, and what each of its controls does."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr
from jinja2 import Environment, PackageLoader

from geoseg.web.handlers import READY, SAMPLES, Handlers, Parts
from geoseg.web.jobs import Jobs
from geoseg.web.results import note
from geoseg.web.steps import OUTLINES
from geoseg.web.workspace import RASTERS, VECTORS, Storage

_HERE = Path(str(resources.files("geoseg.web")))
STYLE = _HERE / "templates" / "page.css"
_SCENES = [*RASTERS.values(), ".tiff", ".jpeg"]
_TRUTHS = [*_SCENES, *VECTORS.values(), ".json"]
_IDLE = 3600  # seconds after which the files of a visitor who does nothing are deleted


def theme() -> gr.themes.Base:
    """Gradio's theme with the fonts of the reader's own machine, as others would be fetched, and
    with small print that has the contrast of WCAG's level AA.
    """
    plain = gr.themes.Base(
        primary_hue="amber",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return plain.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
    )


def head() -> str:
    """What stands in the head of the page: the script of the map."""
    script, _, _ = PackageLoader("geoseg.web").get_source(Environment(), "map.js")
    return f"<script>{script}</script>"


def build(models: dict[str, str], jobs: Jobs, store: Storage) -> gr.Blocks:
    """The page, which offers ``models``, as it is before a visitor has done anything."""
    with gr.Blocks(
        title="geoseg", analytics_enabled=False, fill_width=True, delete_cache=(600, _IDLE)
    ) as blocks:
        gr.HTML("<h1>geoseg</h1><p>Building footprints from aerial and satellite imagery.</p>")
        with gr.Row(elem_id="layout"):  # placed by the style: in another order on a phone
            with gr.Column(elem_id="inputs"):
                inputs = _inputs(models)
            with gr.Column(elem_id="right"):
                with gr.Column(elem_id="view"):
                    view: dict[str, Any] = {
                        "status": gr.HTML(note(READY), elem_id="status"),
                        "map": gr.HTML("", elem_id="map"),
                    }
                with gr.Column(elem_id="results"):
                    results = _results()
            with gr.Column(elem_id="controls"):
                controls = _controls()
        parts = Parts(session=_session(), **inputs, **view, **controls, **results)
        _connect(parts, Handlers(parts, models, jobs, store))
    return blocks


def _session() -> gr.State:
    return gr.State(
        None,
        time_to_live=_IDLE,
        delete_callback=lambda workspace: workspace.remove() if workspace else None,
    )


def _inputs(models: dict[str, str]) -> dict[str, Any]:
    names = list(models)
    scene = gr.File(label="Scene: GeoTIFF, PNG, JPEG", file_types=_SCENES, height=150)
    sample = gr.Dropdown(list(SAMPLES), value=None, label="Or choose a sample")
    with gr.Accordion("Truth, to measure against", open=False):
        truth = gr.File(
            label="Mask or footprints of the same place", file_types=_TRUTHS, height=150
        )
    with gr.Accordion("Model", open=len(names) > 1):
        model = gr.Dropdown(names, value=names[0], label="Model", show_label=False)
        gsd = gr.Number(
            0,
            label="Metres per pixel",
            info="Of an image without coordinates; 0 takes the model's.",
            minimum=0,
            maximum=100,
        )
    run = gr.Button("Find buildings", variant="primary", interactive=False)
    return {
        "scene": scene, "sample": sample, "truth": truth, "model": model, "gsd": gsd, "run": run,
    }  # fmt: skip


def _controls() -> dict[str, Any]:
    return {
        "threshold": gr.Slider(0.05, 0.95, 0.5, step=0.01, label="Threshold"),
        "min_area": gr.Slider(
            0, 200, 10, step=1, label="Minimum area", info="m²; pixels without a CRS"
        ),
        "outline": gr.Radio(list(OUTLINES), value="Right angles", label="Outlines"),
        "parted": gr.Checkbox(True, label="Split buildings that touch"),
    }


def _results() -> dict[str, Any]:
    scores = gr.HTML("", elem_id="scores")
    with gr.Row():
        gpkg = gr.DownloadButton("GeoPackage", interactive=False, min_width=130)
        geojson = gr.DownloadButton("GeoJSON", interactive=False, min_width=130)
        mask = gr.DownloadButton("Mask", interactive=False, min_width=130)
        draw = gr.Button("Picture", interactive=False, min_width=130)
    picture = gr.Image(
        label="Scene, truth and prediction", show_label=False, visible=False, interactive=False,
        type="filepath", format="png", buttons=["download", "fullscreen"],
    )  # fmt: skip
    return {
        "scores": scores, "gpkg": gpkg, "geojson": geojson, "mask": mask, "draw": draw,
        "picture": picture,
    }  # fmt: skip


def _connect(parts: Parts, handlers: Handlers) -> None:
    """Each control with its handler; one model runs at a time, of all visitors."""
    results = [
        parts.session, parts.status, parts.map, parts.scores, parts.threshold, parts.min_area,
        parts.run, *parts.files.values(), parts.draw, parts.picture,
    ]  # fmt: skip
    # the handlers look at what they get: see there
    shown: dict[str, Any] = {
        "show_progress_on": parts.status, "api_visibility": "private", "preprocess": False,
    }  # fmt: skip
    parts.scene.upload(
        handlers.upload_scene,
        [parts.session, parts.scene],
        [*results, parts.scene, parts.sample],
        **shown,
    )
    parts.sample.input(
        handlers.choose_sample, [parts.session, parts.sample], [*results, parts.truth], **shown
    )
    parts.truth.upload(
        handlers.upload_truth,
        [parts.session, parts.truth, *parts.controls],
        [*results, parts.truth],
        **shown,
    )
    parts.run.click(
        handlers.find,
        [parts.session, parts.model, parts.gsd, parts.outline, parts.parted],
        results,
        concurrency_limit=1,
        concurrency_id="model",
        **shown,
    )
    for control in parts.controls:
        # not `release`, which a slider that is moved by the keyboard does not know; of all that
        # comes while a step is at work only the last is done
        control.input(
            handlers.trace,
            [parts.session, *parts.controls],
            results,
            trigger_mode="always_last",
            **shown,
        )
    parts.draw.click(handlers.draw, [parts.session], results, **shown)
