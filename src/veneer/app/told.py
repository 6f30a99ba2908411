"""How an error reaches whoever looks at the page."""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from veneer.errors import find_veneer_error

logger = logging.getLogger(__name__)

UNEXPECTED = (
    "Something went wrong that should not have. The log of the server tells more; please report it."
)


def sentence_of(error: Exception) -> str:
    """What an error is told as; what was not expected goes to the log with its traceback."""
    told = find_veneer_error(error)
    if told is None:
        logger.error("Answering the page", exc_info=error)
        return UNEXPECTED
    return str(told)


def told(handler: Callable) -> Callable:
    """Show what a handler raises as a sentence on the page, where it stays until it is closed."""

    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            sentence = html.escape(sentence_of(error))
            raise gr.Error(sentence, duration=None, print_exception=False) from None

    return wrapped


PRIVATE = {"api_visibility": "private"}
"""Options of events that are the page's own."""

QUIET = {"show_progress": "hidden", "queue": False, **PRIVATE}
"""And of those that are done at once."""
