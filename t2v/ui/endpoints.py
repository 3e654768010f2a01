"""What makes videos as Gradio sees it: functions with a signature and a docstring."""

from collections.abc import AsyncGenerator, Mapping
from inspect import Parameter, Signature
from typing import Any

import gradio as gr
from gradio.blocks import Block

from t2v.ui.form import Updates
from t2v.ui.generation import Generation
from t2v.ui.parameters import PARAMETER_NAMES, declared_settings


MAKE = """Makes a video from text and reports its progress: (event, files).

Events of the type SegmentReady come with a file of the new frames alone; the last event,
Finished or Failed, with the finished video and, if asked for, the refined one. Every event
names its run. Disconnecting does not stop the run: `stop` ends it, `run` describes it."""
OTHER_HELP = {
    "preset": "the stack that makes the video.",
    "write_metadata": "whether the files say how they were made.",
    "start": "an image or a clip that the video begins with; by default text alone.",
    "fit": "how a picture of another shape is made to fit: crop or letterbox.",
}


def documented(generation: Generation, parameters: Mapping[str, Block]) -> Any:
    """`Generation.make` with a signature and a docstring of its parameters.

    Gradio and MCP show them to programs.
    """

    async def make(
        request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[tuple[dict[str, Any], list[str] | None], None]:
        async for event in generation.make(request, **values):
            yield event

    config_names = {parameter: name for name, parameter in PARAMETER_NAMES.items()}
    declared = declared_settings()
    lines = []
    for name in parameters:
        setting = declared.get(config_names.get(name, name))
        lines.append(f"    {name}: {setting.help if setting else OTHER_HELP[name]}")
    make.__doc__ = "\n".join([MAKE, "", "Args:", *lines])
    make.__signature__ = signature_of(parameters)  # type: ignore[attr-defined]
    return make


def for_the_page(generation: Generation, parameters: Mapping[str, Block]) -> Any:
    """`Generation.generate` with a signature of its parameters: programs may call it too."""

    async def generate(
        request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[Updates, None]:
        async for updates in generation.generate(request, **values):
            yield updates

    generate.__doc__ = generation.generate.__doc__
    generate.__signature__ = signature_of(parameters)  # type: ignore[attr-defined]
    return generate


def signature_of(parameters: Mapping[str, Block]) -> Signature:
    """Gradio's clients may leave out what has a value on the page, or None here."""
    request = Parameter(
        "request", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=gr.Request | None
    )
    defaults = {"start": None}
    keywords = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty))
        for name in parameters
    ]
    return Signature([request, *keywords])
