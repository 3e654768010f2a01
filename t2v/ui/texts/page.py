"""A page whose texts are in the language of whoever opens it."""

from collections.abc import Callable
from string import Template
from typing import Any

import gradio as gr

from t2v.ui.texts.catalogue import language, speaking, tr
from t2v.ui.texts.languages import ENGLISH, READERS


LOGIN_TEXTS = {
    "lead": "Long videos from text, shown while they are being made.",
    "who": "Whoever started this app or sent you its address knows the name and the password: the "
    "app prints both when it starts. They are valid until it ends.",
}


class Page(gr.Blocks):
    """Blocks that are described to each browser in its language.

    The functions behind it are the same for all languages. They find out by themselves who asks:
    see `catalogue.language`.
    """

    def __init__(self, **options: Any):
        self._texts: dict[str, list[dict[str, Any]]] = {}  # by language: of every component
        self._auth_message: str | None = None
        super().__init__(**options)

    def translate(self, build: Callable[[], gr.Blocks]) -> None:
        """Learns the texts of the other languages from the same page, built once in each.

        At the start, although nobody may ask for them. Gradio keeps the page that is being built in
        a class, `Context`, for all threads together: while a page is built for its first reader, a
        component that an event creates would become a part of that page.
        """
        for other in READERS:
            if other != ENGLISH:
                with speaking(other):
                    built = build().config["components"]
                self._texts[other] = [component["props"] for component in built]

    @property
    def config(self) -> Any:
        """What a browser is told of the page, in the language of whoever asks."""
        texts = self._texts.get(language())
        if texts is None:
            return self._config
        components = [
            component | {"props": props}
            for component, props in zip(self._config["components"], texts, strict=True)
        ]
        return self._config | {"components": components}

    @config.setter
    def config(self, config: Any) -> None:
        self._config = config

    @property
    def auth_message(self) -> str | None:
        """HTML of the login page."""
        if self._auth_message is None:
            return None
        texts = {name: tr(text) for name, text in LOGIN_TEXTS.items()}
        return Template(self._auth_message).substitute(texts)

    @auth_message.setter
    def auth_message(self, message: str | None) -> None:
        self._auth_message = message

    def get_api_info(self, all_endpoints: bool = False, page: str | None = None) -> Any:
        """The description of the endpoints. Gradio keeps it for everybody, so it is English."""
        with speaking(ENGLISH):
            return super().get_api_info(all_endpoints, page)
