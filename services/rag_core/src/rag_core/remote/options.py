"""Leaves out of a model's requests the options that its server does not accept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import openai

from rag_core.remote import client as remote_client

_CODES = ("unsupported_parameter", "unsupported_value")
_NEWER = {"max_tokens": "max_completion_tokens"}
_WORD = re.compile(r"\w+")
# Something in the request is unknown to the server, which does not name it.
_UNNAMED = re.compile(
    r"extra (inputs|fields)|additional properties"
    r"|(unsupported|unrecogni[sz]ed|unknown|unexpected)[ _-]?"
    r"(request |keyword )?(param|arg|field|option|propert)",
    re.I,
)

Reply = TypeVar("Reply")


class Options:
    """The options of all requests to one model; the first ones are the first to be left out."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    def ask(self, request: Callable[[Mapping[str, Any]], Reply]) -> Reply:
        """Make the request, again without each option that the server refuses; return its reply."""
        options = self._options
        while True:
            try:
                reply = request(options)
            except openai.APIStatusError as error:
                unwanted = _unwanted(error, options)
                if unwanted is None:
                    raise
                options = _without(options, unwanted)
            else:
                # Only now: a refusal that had another reason leaves nothing out for good.
                self._options = options
                return reply


def _unwanted(error: openai.APIStatusError, options: Mapping[str, Any]) -> str | None:
    """Return the option that the server does not accept; None if it refuses the request for another reason.

    Only some servers name it as the API prescribes; others write it into their message.
    """
    param = str(error.param)
    if error.code in _CODES and param in options:
        return param
    if error.status_code not in (400, 422) or remote_client.over_window(error):
        return None
    said = remote_client.said(error)
    words = {param, *_WORD.findall(said)}
    named = [name for name in options if name in words]
    if not named and not error.param and _UNNAMED.search(said):
        named = list(options)
    return next(iter(named), None)


def _without(options: Mapping[str, Any], unwanted: str) -> Mapping[str, Any]:
    """Return the options without this one, or with its newer name."""
    kept = {name: value for name, value in options.items() if name != unwanted}
    newer = _NEWER.get(unwanted)
    return {**kept, newer: options[unwanted]} if newer else kept
