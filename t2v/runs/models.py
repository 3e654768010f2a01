"""The models that are loaded: those of one preset at a time."""

import logging
from collections.abc import Callable

from t2v.generator import StreamFn


OpenStream = Callable[[str], StreamFn]

log = logging.getLogger(__name__)


class Models:
    """Loads the models of presets, for the thread that makes runs.

    Args:
        open_stream: gives the stream function of a preset.
        find_weights: the SHA-256 of every file of a preset's weights.
        preload: preset that `load_first` loads.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        find_weights: Callable[[str], dict[str, str]],
        preload: str | None = None,
    ):
        self._open_stream = open_stream
        self._find_weights = find_weights
        self.preload = preload
        self._loaded: tuple[str, StreamFn, dict[str, str]] | None = None

    @property
    def preset(self) -> str | None:
        """The preset whose models are loaded."""
        loaded = self._loaded
        return None if loaded is None else loaded[0]

    def load_first(self) -> None:
        """Loads the models that the first run will probably need."""
        if self.preload is not None:
            try:
                self.load(self.preload)
            except Exception:  # the next run of this preset reports it
                log.exception("preset %s could not be loaded", self.preload)

    def load(self, preset: str) -> tuple[StreamFn, dict[str, str]]:
        """Loads a preset, unless it is loaded; gives its stream function and its weights."""
        if self._loaded is None or self._loaded[0] != preset:
            self._loaded = None  # one stack at a time: release the old one before loading the new
            self._loaded = (preset, self._open_stream(preset), self._find_weights(preset))
        return self._loaded[1:]
