"""The page as a running server, and a visitor who speaks to it without a browser."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from geoseg.specs import ServeSpec
from geoseg.web.server import Page, open_page


@contextmanager
def serving(models: tuple[Path, ...] = (), **settings: Any) -> Iterator[Page]:
    """A page on a free port, until the block ends."""
    with open_page(models, ServeSpec(port=0, **settings)) as page:
        server = page.server()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [page.socket]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            yield page
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Visitor:
    """One session of the page at ``url``; ``act`` is what a control does, with all its inputs."""

    url: str
    session: str = field(default_factory=lambda: secrets.token_hex(5))

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=120, trust_env=False)
        self.config = self.client.get("/config").json()
        self.components = {each["id"]: each for each in self.config["components"]}

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.client.post("/gradio_api/upload", files={"files": (name, content)})

    def uploaded(self, path: Path) -> dict[str, Any]:
        """What a browser sends for a file that it has uploaded."""
        (stored,) = self.upload(path.name, path.read_bytes()).raise_for_status().json()
        return file(stored, path.name)

    def act(self, name: str, *values: Any) -> dict[str, Any]:
        """Values of the outputs by label or id, of the handler ``name`` with ``values`` besides the
        session.
        """
        response = self.join(name, *values)
        assert response.status_code == 200, response.text
        return self._results(response.json()["event_id"])

    def join(self, name: str, *values: Any) -> httpx.Response:
        number = next(
            n for n, each in enumerate(self.config["dependencies"]) if each["api_name"] == name
        )
        body = {"data": [None, *values], "fn_index": number, "session_hash": self.session}
        return self.client.post("/gradio_api/queue/join", json=body)

    def _results(self, event: str) -> dict[str, Any]:
        query = {"session_hash": self.session}
        with self.client.stream("GET", "/gradio_api/queue/data", params=query) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data:") or "{}") if line else {}
                if message.get("event_id") == event and message["msg"] == "process_completed":
                    assert message["success"], message
                    number = message["output"]
                    break
        outputs = next(
            each["outputs"]
            for each in self.config["dependencies"]
            if len(each["outputs"]) == len(number["data"])
        )
        return {
            self._name(part): _plain(v) for part, v in zip(outputs, number["data"], strict=True)
        }

    def _name(self, component: int) -> str:
        properties = self.components[component]["props"]
        return str(
            properties.get("elem_id") or properties.get("label") or properties.get("value") or ""
        )


def file(path: str, name: str) -> dict[str, Any]:
    return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def _plain(value: Any) -> Any:
    """What an update sets."""
    is_update = isinstance(value, dict) and value.get("__type__") == "update"
    return value.get("value") if is_update else value
