"""How the page sends its events, and access to their data, which is untrusted input."""

from typing import Any

import gradio as gr

# Outside the queue, without a progress bar, and not in Gradio's own API.
AT_ONCE: dict[str, Any] = {
    "show_progress": "hidden",
    "queue": False,
    "api_visibility": "private",
    "preprocess": False,
}


def part(event: gr.EventData, name: str, longest: int = 64) -> str:
    """One part of the event as text, cut at `longest`; empty if it is missing or not a plain value."""
    # The attributes of EventData raise an error when a part is missing, which Gradio answers with 500.
    sent = event._data
    value = sent.get(name) if isinstance(sent, dict) else None
    return str(value)[:longest] if isinstance(value, str | int) else ""
