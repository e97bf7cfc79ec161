"""What the page's own script may ask for when a control is used, and no other client either.

Gradio takes the JSON of a client as it comes: a value of another type ends in a traceback, and a
session whose name is no text makes every later error of all visitors another. A call passes only
if it has the form that the script gives it, a value for each input of the handler::

    {"fn_index": 4, "session_hash": "k3x9", "data": [null,  0.5,    10,     "Pixels", true]}
                                                     State  Slider  Slider  Radio     Checkbox

Whether a number is one that the setting can have, and whether there is such a model, is for the
handlers: a visitor can get that wrong too, and is answered on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import gradio as gr

Accepts = Callable[[str, Any], bool]
_NAME = re.compile(r"\w{1,64}", re.ASCII)
_FILE = {"_type": "gradio.FileData"}


def calls_of(blocks: gr.Blocks) -> Accepts:
    """Whether JSON that is sent to a path is a call that the script of ``blocks`` makes."""
    checks = {
        number: [_check(component) for component in handler.inputs]
        for number, handler in blocks.fns.items()
    }

    def accepts(path: str, content: Any) -> bool:
        if not isinstance(content, dict) or not all(map(_is_known, content.items())):
            return False
        if not path.endswith("/queue/join"):  # cancel and reset
            return _is_name(content.get("event_id"))
        inputs = checks.get(content.get("fn_index"))  # type: ignore[arg-type]
        data = content.get("data")
        if inputs is None or not isinstance(data, list) or len(data) != len(inputs):
            return False
        values = zip(inputs, data, strict=True)
        return _is_name(content.get("session_hash")) and all(check(v) for check, v in values)

    return accepts


def _is_known(field: tuple[str, Any]) -> bool:
    """Whether a field of a call is one of the script's, of its type."""
    key, value = field
    if key in ("fn_index", "trigger_id"):
        return value is None or type(value) is int
    if key in ("session_hash", "event_id"):
        return value is None or _is_name(value)
    return key in ("data", "event_data")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _check(component: Any) -> Callable[[Any], bool]:
    """Whether a value is of the type of ``component``, or none."""
    if isinstance(component, gr.State):
        return lambda value: value is None  # the server's own
    if isinstance(component, gr.File):
        return lambda value: value is None or _is_file(value)
    if isinstance(component, gr.Slider | gr.Number):
        return lambda value: value is None or type(value) in (int, float)
    if isinstance(component, gr.Checkbox):
        return lambda value: value is None or type(value) is bool
    if isinstance(component, gr.Radio | gr.Dropdown):
        return lambda value: value is None or type(value) is str
    raise TypeError(f"{component}: it is not known what a client may send for it")


def _is_file(value: Any) -> bool:
    """Whether a value is what the script sends for one uploaded file."""
    if not isinstance(value, dict) or value.get("meta") != _FILE or value.get("is_stream"):
        return False
    texts = all(
        isinstance(value.get(name, ""), str | None) for name in ("url", "orig_name", "mime_type")
    )
    size = value.get("size")
    return texts and isinstance(value.get("path"), str) and (size is None or type(size) is int)
