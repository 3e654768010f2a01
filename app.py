"""The app: python app.py, then open the address it prints. Models are loaded by its worker."""

import argparse
import logging
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from t2v.cli.arguments import acceleration, add_acceleration
from t2v.config import GenerationConfig
from t2v.errors import T2VError
from t2v.events import Event
from t2v.presets import default_preset, find_preset, list_presets


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="make a public link for some days")
    parser.add_argument("--preset", help="chosen at first (default: the best that can run here)")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="default: %(default)s")
    add_acceleration(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        open_fast = partial(open_stream, acceleration=acceleration(options))
        chosen, reason = default_preset()
        if options.preset:
            chosen, reason = find_preset(options.preset), ""
    except T2VError as error:
        parser.error(str(error))

    from t2v.jobs.worker import Worker
    from t2v.ui.launch import can_stream, launch_page
    from t2v.ui.page import build_page

    worker = Worker(open_fast, options.runs_dir, preload=chosen.name)
    page = build_page(worker, list_presets(), chosen.name, reason=reason, is_streaming=can_stream())
    try:
        launch_page(page, worker, host=options.host, port=options.port, share=options.share)
    finally:
        worker.close()


def open_stream(preset: str, **options):
    """Loads the stack of a preset; returns the function that makes videos with it.

    Its refiner is loaded with the first video that is to be refined.

    Args:
        options: more for `load_stack`.
    """
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.stack import load_stack
    from t2v.pipeline.streaming_t2v import stream
    from t2v.pipeline.turns import take_turns

    chosen = find_preset(preset)
    stack = load_stack(chosen, refine=chosen.refiner_unavailable is None, **options)
    refiner = cache(lambda: load_refiner(chosen, stack=stack))

    def make(config: GenerationConfig) -> Iterator[Event]:
        preview = stream(stack, config)
        if not config.refine:
            return preview
        refined = partial(refine, refiner(), config)
        return take_turns(preview, refined, refiner().settings, chosen.fps)

    return make


if __name__ == "__main__":
    main()
