"""``geoseg serve``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.cli.specs import setting, spec_options
from geoseg.specs import ServeSpec
from geoseg.specs.serve import byte_count, byte_text

BYTES = options.Text("size", byte_count)


@command
@click.option(
    "-m",
    "--model",
    "models",
    type=options.MODEL,
    multiple=True,
    help="Model file to offer besides the bundled ones, repeatable.",
)
@spec_options(
    "spec",
    ServeSpec,
    setting(ServeSpec, "host", "Address to listen on; 0.0.0.0 lets other machines in."),
    setting(ServeSpec, "port", "Port to listen on; 0 takes a free one."),
    setting(
        ServeSpec,
        "allow_host",
        "Host names under which the page is served, besides localhost and addresses.  "
        "[default: none]",
        metavar="NAMES",
        show_default=False,
    ),
    setting(
        ServeSpec,
        "max_upload",
        "Largest file that may be uploaded.  [default: " + byte_text(ServeSpec.max_upload) + "]",
        type=BYTES,
        show_default=False,
    ),
    setting(
        ServeSpec,
        "max_memory",
        "Memory of the process that works on a scene.  [default: "
        + byte_text(ServeSpec.max_memory)
        + "]",
        type=BYTES,
        show_default=False,
    ),
    setting(ServeSpec, "max_seconds", "Seconds that a scene may take."),
    setting(ServeSpec, "max_pixels", "Largest scene, in megapixels."),
)
def serve(models: tuple[Path, ...], spec: ServeSpec, as_json: bool) -> None:
    """Serve a web page that finds buildings.

    Upload a scene or choose a sample, see the footprints on a map, change threshold, minimum area
    and outlines without running the model again, compare with a truth, and download GeoPackage,
    GeoJSON and mask. Only this machine can open it unless --host says otherwise. It runs until
    Ctrl-C, and then its files are deleted.

    \b
    Example:
        geoseg serve
        geoseg serve -m mine.onnx --port 8080 --max-upload 500MB
    """
    from geoseg.web.jobs import forget_fork_server
    from geoseg.web.server import ServeReport, open_page

    started = perf_counter()
    with ExitStack() as ending, open_page(models, spec) as page:
        ending.callback(forget_fork_server)
        report = ServeReport(
            command="serve",
            inputs=tuple(map(str, models)),
            seconds=perf_counter() - started,
            url=page.url,
            models=page.models,
        )
        options.emit(report, as_json)
        page.server().run(sockets=[page.socket])
