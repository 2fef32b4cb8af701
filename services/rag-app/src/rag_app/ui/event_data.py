"""The data of a click, treated as untrusted input."""

import gradio as gr


def part(event: gr.EventData, name: str, longest: int = 64) -> str:
    """One part of the event as text, cut at `longest`; empty when it was not sent or is no plain value."""
    # The attributes of EventData raise what Gradio answers with 500 when a part is missing.
    sent = event._data
    value = sent.get(name) if isinstance(sent, dict) else None
    return str(value)[:longest] if isinstance(value, str | int) else ""
