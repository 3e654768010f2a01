"""Makes what a benchmark's folder lacks: first chunks, videos, measures, one file at a time."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

from t2v.errors import NotFiniteError
from t2v.evaluation.arms import drawing, helios_drawing
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.arms.task import Task
from t2v.evaluation.benchmark.derived import (
    NO_SCENE,
    NOT_FINITE,
    OF_CAPTION,
    OTHER_SIZE,
    adherence,
    memory_growth,
    motion_kept,
    object_drift,
)
from t2v.evaluation.benchmark.folder import (
    BenchmarkFolder,
    Frames,
    read_memory,
    read_values,
    read_video,
    write_memory,
    write_values,
    write_video,
)
from t2v.evaluation.benchmark.plan import Case, Prompts
from t2v.evaluation.benchmark.results import MISSING
from t2v.evaluation.metrics.flow import FlowBackend
from t2v.evaluation.metrics.mawe import PairTerms, Sizes, pair_terms
from t2v.evaluation.metrics.measurement import Measurement, absent
from t2v.evaluation.metrics.seams import join_ratio
from t2v.evaluation.metrics.video import measure_pairs, video_series
from t2v.evaluation.networks.metric_networks import Measure, measure_by_networks
from t2v.evaluation.samples import stream
from t2v.events import Chunk, LatentMemory, Memory, remember
from t2v.generator import Generator
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.offload import memory_in_use
from t2v.pipeline.stack import Refiner, Stack
from t2v.settings.chunking import Chunking
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset
from t2v.training.probe import Probe
from t2v.worlds.world import Scene, World


@dataclass(frozen=True, slots=True)
class CaseRunner:
    """Makes the files of cases, with networks that are loaded once.

    Args:
        scenes: what each prompt describes, where it is a caption of the stack's world.
        probe: of that world.
        refiner: loads the refiner, at most once.
        baseline: loads the preset of another model, each at most once.
        conditioned: loads the stack with another, trained way to condition, each at most once.
        measures: by networks, of their metrics.
    """

    folder: BenchmarkFolder
    preset: Preset
    stack: Stack | HeliosStack
    prompts: Prompts
    flow: FlowBackend
    sizes: Sizes
    world: World | None
    scenes: tuple[Scene | None, ...]
    probe: Probe | None
    refiner: Callable[[], Refiner]
    baseline: Callable[[str], Generator]
    conditioned: Callable[[str], Stack]
    measures: Mapping[str, Measure] = field(default_factory=dict)

    def make(self, case: Case, lengths: Sequence[int] = ()) -> None:
        """Makes the video of a case and measures it, as far as that has not been done.

        Args:
            lengths: frames after which the video is measured as well.
        """
        path = self.folder.measures(case)
        values = read_values(path) if path.exists() else self._measure_if_drawn(case)
        if MISSING in values:
            write_values(path, values)
            return
        missing = [n for n in lengths if str(n) not in values["lengths"]]
        values["lengths"] |= {str(n): self._measure_beginning(case, values, n) for n in missing}
        self._measure_by_networks(case, values["measures"])
        for length, measured in values["lengths"].items():
            self._measure_by_networks(case, measured, int(length))
        write_values(path, values)

    def _measure_if_drawn(self, case: Case) -> dict[str, Any]:
        """Measures, or why there is no video: the others of the suite are made all the same."""
        reason = NO_SCENE
        if ARMS[case.arm].needs != "world" or self.scene(case) is not None:
            try:
                return self._measure(case)
            except NotFiniteError:
                reason = NOT_FINITE
        return {"prompt": self.prompts.texts[case.prompt], MISSING: reason}

    def draw(self, case: Case) -> Frames:
        """The video of a case, made now if it is not there."""
        path = self.folder.video(case)
        if not path.exists():
            first = self.first_chunk(case)
            if ARMS[case.arm].refined:  # what all of them begin with is not in their time
                self.draw(replace(case, arm="cam"))
                self.refiner()
            started, memory = time.perf_counter(), []

            def watched() -> Iterator[Frames]:
                for frames in self._arms.DRAW[case.arm](self._task(case, first)):
                    memory.append(memory_in_use(self.stack.device)["memory"])
                    yield frames

            write_video(path, watched(), self.preset.chunking.num_frames(case.num_chunks))
            seconds = time.perf_counter() - started
            write_values(path.with_suffix(".json"), {"seconds": seconds, "memory": memory})
        return read_video(path)

    def first_chunk(self, case: Case) -> Frames:
        """The first chunk that all arms of this prompt and seed continue."""
        path = self.folder.first_chunk(case)
        if not path.exists():
            config = replace(self.config(case), num_chunks=1)
            [chunk] = (one for one in stream(self.stack, config) if isinstance(one, Chunk))
            if chunk.memory is not None:
                write_memory(self.folder.first_memory(case), chunk.memory)
            write_video(path, iter([chunk.frames]), len(chunk.frames))
        return np.array(read_video(path))

    def memory_of_first(self, case: Case) -> Memory | LatentMemory:
        """What the chunk after the first one knows of it."""
        frames = self.first_chunk(case)
        if isinstance(self.stack, HeliosStack):
            return read_memory(self.folder.first_memory(case))
        return remember(None, frames, self.preset.chunking.overlap)

    def config(self, case: Case) -> GenerationConfig:
        """The preset's settings for a prompt and a seed."""
        return self.preset.config(
            prompt=self.prompts.texts[case.prompt],
            seed=case.generator_seed,
            num_chunks=case.num_chunks,
        )

    def scene(self, case: Case) -> Scene | None:
        return self.scenes[case.prompt] if self.scenes else None

    def boundaries(self, case: Case) -> list[int]:
        """The first frame of every chunk but the first."""
        return boundaries_of(case.arm, self.preset, case.num_chunks)

    @property
    def _arms(self) -> ModuleType:
        """How arms draw on this kind of stack."""
        return helios_drawing if isinstance(self.stack, HeliosStack) else drawing

    def _task(self, case: Case, first_chunk: Frames) -> Task:
        memory = self.memory_of_first(case)
        return Task(
            stack=self.stack,
            config=self.config(case),
            first_chunk=first_chunk,
            preview=lambda: self.draw(replace(case, arm="cam")),
            scene=self.scene(case),
            world=self.world,
            refiner=self.refiner,
            baseline=self.baseline,
            memory=memory if isinstance(memory, LatentMemory) else None,
            conditioned=self.conditioned,
        )

    def _measure(self, case: Case) -> dict[str, Any]:
        video, boundaries = self.draw(case), self.boundaries(case)
        terms = pair_terms(video, self.flow, self.sizes)
        series = video_series(video, terms, boundaries)
        made = self.folder.video(case).with_suffix(".json")
        making = read_values(made) if made.exists() else {"seconds": None, "memory": None}
        arm = ARMS[case.arm]
        stack = self.conditioned(arm.conditioning) if arm.conditioning else self.stack
        measured = measure_pairs(video, terms, boundaries) | {
            "motion_kept": motion_kept(series.per_chunk["motion"]),
            "memory_growth": memory_growth(making["memory"]),
            **self._of_caption(case, video),
        }
        if arm.refined:
            overlap = self.preset.find_refiner().chunking.overlap
            measured["join_ratio"] = join_ratio(series.per_pair["change"], boundaries, overlap)
        return {
            "prompt": self.prompts.texts[case.prompt],
            "boundaries": boundaries,
            "trained_parameters": self._arms.trained_parameters(stack, arm.memories),
            "seconds": making["seconds"],
            "measures": to_json(measured),
            "per_chunk": {name: values.tolist() for name, values in series.per_chunk.items()},
            "pairs": {name: getattr(terms, name).tolist() for name in PairTerms.__slots__},
            "cuts": list(series.cuts),
            "lengths": {},
        }

    def _measure_beginning(self, case: Case, values: dict, num_frames: int) -> dict[str, Any]:
        """Measures the first frames of a video, with the flow that was found for all of it."""
        pairs = {
            name: np.array(numbers)[: num_frames - 1] for name, numbers in values["pairs"].items()
        }
        boundaries = [at for at in values["boundaries"] if at < num_frames]
        video = self.draw(case)[:num_frames]
        measured = measure_pairs(video, PairTerms(**pairs), boundaries)
        return to_json(measured | self._of_caption(case, video))

    def _measure_by_networks(
        self, case: Case, measured: dict[str, Any], num_frames: int | None = None
    ) -> None:
        """Adds what networks say of the first frames, where they have not been asked before."""
        lacking = {name: one for name, one in self.measures.items() if name not in measured}
        if lacking:
            video = self.draw(case)[:num_frames]
            prompt = self.prompts.texts[case.prompt]
            measured |= to_json(measure_by_networks(lacking, video, prompt))

    def _of_caption(self, case: Case, video: Frames) -> dict[str, Measurement]:
        scene = self.scene(case)
        if self.probe is None or scene is None:
            return dict.fromkeys(OF_CAPTION, absent(NO_SCENE))
        # The probe has learnt from frames of the stack's size.
        if ARMS[case.arm].refined:
            return {}
        if ARMS[case.arm].preset:
            return dict.fromkeys(OF_CAPTION, absent(OTHER_SIZE))
        num_last = self.preset.chunking.chunk_frames
        return {
            "adherence": adherence(self.probe, scene, video, num_last),
            "object_drift": object_drift(self.probe, scene, video, num_last),
        }


def boundaries_of(arm: str, preset: Preset, num_chunks: int) -> list[int]:
    """The first frame of every chunk of an arm but the first.

    Arms without chunks of their own are looked at where chunks of the stack would join.
    """
    num_frames = preset.chunking.num_frames(num_chunks)
    declared = ARMS[arm]
    chunking: Chunking = declared.chunking(preset.chunking)
    if declared.refined and preset.refiner:
        chunking = preset.refiner.chunking
    return chunking.boundaries(num_frames)


def to_json(measured: dict[str, Measurement]) -> dict[str, Any]:
    """Measurements as plain values; what has no value has a reason instead."""
    return {
        name: {"value": one.value} | ({"reason": one.reason} if one.value is None else {})
        for name, one in measured.items()
    }
