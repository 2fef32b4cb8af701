"""The Settings tab: settings of answers for this browser tab only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from rag_app.backend import Backend
from rag_app.ui.event_data import AT_ONCE
from rag_app.ui.formatting import named

_AUTOMATIC = "Automatic"
_MOST_PASSAGES = 20
_KEEP = "(...chosen) => { sessionStorage.setItem('ragdock-settings', JSON.stringify(chosen.slice(0, 3))) }"
# Ignore a stored model that a newer release no longer offers.
_RECALL = """(...own) => {
  const kept = JSON.parse(sessionStorage.getItem('ragdock-settings') ?? 'null');
  return Array.isArray(kept) && kept.length === 3 && %s.includes(kept[0]) ? kept : own.slice(0, 3);
}"""


@dataclass(frozen=True)
class Chosen:
    """The settings of one question."""

    model: str | None
    top_k: int
    timeout: float


@dataclass(frozen=True)
class Controls:
    """The inputs, made before the tabs so that Ask can read what Settings shows."""

    model: gr.Dropdown
    top_k: gr.Slider
    timeout: gr.Slider

    @classmethod
    def of(cls, backend: Backend) -> "Controls":
        """Make the inputs with the deployment's own values."""
        settings = backend.settings
        models = backend.answerer.models()
        return cls(
            model=gr.Dropdown(
                [_AUTOMATIC, *((named(model, settings.hosts.get(model)), model) for model in models)],
                value=_AUTOMATIC,
                label="Model",
                info="Automatic uses the first one and falls back to the next when it does not answer.",
                filterable=False,
                elem_id="rd-model",
                render=False,
            ),
            top_k=gr.Slider(
                1,
                _MOST_PASSAGES,
                value=min(settings.top_k, _MOST_PASSAGES),
                step=1,
                label="Passages to read",
                info="More passages find more and take longer.",
                elem_id="rd-top-k",
                render=False,
            ),
            timeout=gr.Slider(
                5,
                max(10, round(settings.ollama_timeout_seconds)),
                value=round(settings.ollama_timeout_seconds),
                step=5,
                label="Longest wait for a model, in seconds",
                info="After this the next model is used, and finally the passages themselves are shown.",
                elem_id="rd-timeout",
                render=False,
            ),
        )

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The inputs, in the order in which `read` takes their values."""
        return [self.model, self.top_k, self.timeout]

    def read(self, values: Sequence[Any]) -> Chosen:
        """Convert the inputs' values to the settings of a question."""
        model, top_k, timeout = values
        return Chosen(
            model=None if model == _AUTOMATIC else str(model), top_k=int(top_k), timeout=float(timeout)
        )


def settings_tab(controls: Controls, page: gr.Blocks) -> None:
    """Build the tab; the browser tab keeps the chosen settings, even across a reload."""
    gr.HTML(
        '<p class="rd-hint">For this browser tab only. Other people, and your other tabs, keep theirs.</p>',
        js_on_load=None,
        apply_default_css=False,
    )
    for control in controls.inputs:
        control.render()  # type: ignore[no-untyped-call]
    reset = gr.Button("Back to the deployment's own", size="sm", elem_id="rd-reset")
    own = [control.value for control in controls.inputs]
    reset.click(lambda: own, None, controls.inputs, **AT_ONCE)
    gr.on(
        [control.change for control in controls.inputs],  # type: ignore[attr-defined]
        None,
        controls.inputs,
        js=_KEEP,
        api_visibility="private",
    )
    page.load(
        None,
        controls.inputs,
        controls.inputs,
        js=_RECALL % json.dumps([value for _, value in controls.model.choices]),
        api_visibility="private",
    )
