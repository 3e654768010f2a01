"""The settings form: its components, and the updates that fill it."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset
from t2v.ui.examples import describe_schedule, examples_html
from t2v.ui.labels import describe_hint, describe_preset, vocabulary_html
from t2v.ui.parameters import (
    OF_SOME_PRESETS,
    page_settings,
    parameter_name,
    setting_update,
    visibility,
)
from t2v.ui.start import StartPanel


Updates = dict[Any, Any]  # component -> its new value or update; other components stay as they are

NOT_RESTORED = ("randomize_seed", "write_metadata", "start", "fit")
NOT_IN_PRESETS = ("prompt", "negative_prompt", "seed", "reseed")  # what a visitor has typed stays


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long the video gets: both numbers say the same."""

    seconds: gr.Number
    num_chunks: gr.Number
    buttons: dict[int, gr.Button]  # by seconds


@dataclass(frozen=True, kw_only=True)
class Form:
    """The components of the form.

    Args:
        settings: by parameter name, in the order of the endpoints.
        api_settings: those that programs may set; some of them are not on the page.
    """

    settings: dict[str, Block]
    api_settings: dict[str, Block]
    preset: gr.Dropdown
    applied: gr.Textbox  # name of the preset whose defaults, or a run of it, filled the form last
    length: Length
    generate: gr.Button
    stop: gr.Button
    estimate: gr.Markdown
    examples: gr.HTML
    description: gr.Markdown
    hint: gr.Markdown
    vocabulary: gr.HTML
    schedule: gr.Markdown
    unknown_words: gr.Markdown
    start: StartPanel
    settings_file: gr.File

    def filled(self, config: GenerationConfig, preset: Preset | None) -> Updates:
        """Updates that show the settings of a run, except for its seed.

        Args:
            preset: None if this server does not have the preset of the run.
        """
        updates = {
            self.settings[parameter_name(name)]: setting_update(name, getattr(config, name), preset)
            for name in page_settings()
            if name != "seed"
        }
        chosen: Updates = {}
        if preset:
            chosen = {self.settings["preset"]: preset.name, self.applied: preset.name}
        return updates | chosen

    def repeated(self, config: GenerationConfig, preset: Preset | None) -> Updates:
        """Updates that make the same video again: the settings, the seed, and that it is kept."""
        exactly: Updates = {
            self.settings["seed"]: config.seed,
            self.settings["randomize_seed"]: False,
            self.settings["start"]: None,  # files do not hold what a video began with
        }
        return self.filled(config, preset) | exactly

    def defaults(self, preset: Preset) -> Updates:
        """Updates with the defaults of a preset, which the visitor has chosen."""
        config = preset.config(prompt="any")
        updates: Updates = {
            self.settings[parameter_name(name)]: setting_update(name, getattr(config, name), preset)
            for name in page_settings()
            if name not in NOT_IN_PRESETS
        }
        updates |= {
            self.settings[parameter_name(name)]: visibility(name, preset)
            for name in NOT_IN_PRESETS
            if name in OF_SOME_PRESETS
        }
        return updates | {self.applied: preset.name}

    def described(self, preset: Preset) -> Updates:
        """Updates that say what a preset is, whoever has chosen it."""
        return {
            self.examples: examples_html(preset),
            self.description: describe_preset(preset),
            self.hint: describe_hint(preset),
            self.vocabulary: vocabulary_html(preset),
            self.schedule: describe_schedule(preset),
        }

    @property
    def restored(self) -> list[Block]:
        """The components that `filled` updates, in order."""
        names = [name for name in self.settings if name not in (*NOT_RESTORED, "seed")]
        return [*(self.settings[name] for name in names), self.applied]

    @property
    def repeatable(self) -> list[Block]:
        """The components that `repeated` updates, in order: programs that load settings know it."""
        exactly = ("seed", "randomize_seed", "start")
        *restored, applied = self.restored
        return [*restored, *(self.settings[name] for name in exactly), applied]

    @property
    def with_defaults(self) -> list[Block]:
        """The components that `defaults` updates."""
        names = [
            name
            for name in page_settings()
            if name not in NOT_IN_PRESETS or name in OF_SOME_PRESETS
        ]
        settings = [self.settings[parameter_name(name)] for name in names]
        return [*settings, self.applied]

    @property
    def descriptions(self) -> list[Block]:
        """The components that `described` updates."""
        return [self.examples, self.description, self.hint, self.vocabulary, self.schedule]
