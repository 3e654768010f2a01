"""The app: python app.py, then open the address it prints. Models are loaded by its worker."""

import argparse
import logging
import signal
import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from t2v.cli.arguments import acceleration, add_acceleration
from t2v.config import GenerationConfig
from t2v.errors import T2VError
from t2v.events import Event
from t2v.presets import default_preset, find_preset, list_presets, named_preset
from t2v.state import Start


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="make a public link for some days")
    parser.add_argument("--preset", help="chosen at first (default: the best that can run here)")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="default: %(default)s")
    add_acceleration(parser)
    parser.add_argument("--disk-quota", type=float, metavar="GB", help="of --runs-dir; see README")
    parser.add_argument("--max-per-visitor", type=int, help="videos at once (default: any number)")
    parser.add_argument(
        "--no-resume", action="store_true", help="leave videos alone that were cut off"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("disk_quota", "max_per_visitor"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            parser.error(f"--{name.replace('_', '-')} must be more than 0, got {value:g}")
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
    from t2v.weights.digests import weight_digests

    # Asked to end, the app ends as after Ctrl-C: the video in the making goes on at the next start.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    worker = Worker(
        open_fast,
        options.runs_dir,
        preload=chosen.name,
        max_per_visitor=options.max_per_visitor,
        quota_bytes=options.disk_quota and int(options.disk_quota * 1e9),
        resumes=not options.no_resume,
        find_weights=lambda preset: weight_digests(named_preset(preset)),
    )
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

    def make(config: GenerationConfig, start: Start | None) -> Iterator[Event]:
        preview = stream(stack, config, *((start.num_chunks, start.memory) if start else ()))
        if not config.refine:
            return preview
        refined = partial(refine, refiner(), config, state=start and start.refiner)
        return take_turns(preview, refined, refiner().settings, chosen.fps, start=start)

    return make


if __name__ == "__main__":
    main()
