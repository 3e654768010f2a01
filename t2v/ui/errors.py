"""Errors as people and programs see them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import gradio as gr

from t2v.errors import T2VError
from t2v.ui.labels import sentence
from t2v.ui.texts.catalogue import tr, tr_message


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turns every T2VError into a toast; any other exception is a bug."""
    try:
        yield
    except T2VError as error:
        raise gr.Error(sentence(error), print_exception=False) from error


def warn(notices: Iterable[str]) -> None:
    """Shows sentences as warning toasts, each one once."""
    for notice in dict.fromkeys(notices):
        gr.Warning(tr_message(notice), title=tr("Warning"))


def tell(text: str) -> None:
    """Shows a sentence as a toast that does not warn."""
    gr.Info(text, title=tr("Info"))
