"""The page as a running server."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.api.model import load_model
from geoseg.errors import ResourceError
from geoseg.report import Report
from geoseg.specs.serve import ServeSpec
from geoseg.web.answers import Application
from geoseg.web.guard import Guard
from geoseg.web.jobs import Jobs
from geoseg.web.uploads import UploadFolder
from geoseg.web.workspace import Storage, storage

# Connections at a time, of all visitors
_CONNECTIONS = 100
_WAITING = 20  # events that wait for their turn
# Short enough for the narrow column beside the map
BUNDLED = "Buildings (bundled)"
FAST = "Buildings (fast)"


@dataclass(frozen=True, kw_only=True)
class ServeReport(Report):
    """Where the page is, and the models that it offers."""

    url: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A page ready to be served: the ASGI ``application``, its ``jobs``, the ``socket`` it listens
    on.
    """

    application: Guard
    jobs: Jobs
    storage: Storage
    socket: socket.socket
    url: str
    models: tuple[str, ...]

    def server(self) -> Any:
        """A server that runs until it is interrupted: ``server().run(sockets=[page.socket])``."""
        import uvicorn

        settings = uvicorn.Config(
            self.application,
            log_level="error",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=2,
            ws="none",
        )
        return uvicorn.Server(settings)


@contextmanager
def open_page(models: tuple[Path, ...], spec: ServeSpec) -> Iterator[Page]:
    """A page that offers the bundled model and ``models``; its files go when the block ends.

    Raises ResourceError where the port is taken or Gradio is not installed, and ModelError for what
    is no model.
    """
    offered = named_models(models)
    with _listen(spec) as listening, storage() as store, _gradio_in(store):
        jobs = Jobs(spec)
        application, accepts = _gradio_page(offered, jobs, store)
        guard = Guard(application, spec, store, accepts)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{port}"
        try:
            yield Page(guard, jobs, store, listening, url, tuple(offered))
        finally:
            jobs.close()


def _gradio_page(
    models: dict[str, str], jobs: Jobs, store: Storage
) -> tuple[Application, Callable[[str, Any], bool]]:
    """Gradio's application, with all that this page has no use for turned off, and what its script
    may ask for.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when it is imported
    try:
        import fastapi
        import gradio
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"the page needs {error.name}, which is not installed", "pip install 'geoseg[web]'"
        ) from error
    from geoseg.web.calls import calls_of
    from geoseg.web.page import STYLE, build, head, theme

    blocks = build(models, jobs, store)
    blocks.queue(max_size=_WAITING, default_concurrency_limit=2, api_open=False)
    # without these FastAPI answers /docs and /openapi.json
    bare: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    mounted = gradio.mount_gradio_app(
        fastapi.FastAPI(**bare),
        blocks,
        path="/",
        server_name=jobs.spec.host,
        app_kwargs=bare,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        show_error=True,
        max_file_size=jobs.spec.max_upload,
        allowed_paths=[],
        theme=theme(),
        css_paths=[STYLE],
        head=head(),
    )
    mounted.routes[-1].app.uploaded_file_dir = UploadFolder(store.uploads)
    return mounted, calls_of(blocks)


def named_models(paths: tuple[Path, ...]) -> dict[str, str]:
    """What the page calls each model, and its file; those of the user come first.

    Raises InputError and ModelError for what is no model.
    """
    found = {}
    for path in paths:
        load_model(path)  # so that the server does not start with one that fails
        name = path.name if path.name not in found else str(path)
        found[name] = str(path.absolute())
    return found | {BUNDLED: "bundled", FAST: "fast"}


def _listen(spec: ServeSpec) -> socket.socket:
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((spec.host, spec.port))
    except OSError as error:
        listening.close()
        raise ResourceError(
            f"{spec.host}:{spec.port}: cannot be served: {error.strerror or error}",
            "choose another with `port`; 0 takes one that is free",
        ) from error
    listening.listen(_CONNECTIONS)
    return listening


@contextmanager
def _gradio_in(store: Storage) -> Iterator[None]:
    """Gradio keeps what it receives in ``store``."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(store.uploads)
    try:
        yield
    finally:
        del os.environ["GRADIO_TEMP_DIR"]
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before
