"""The work of `longtake benchmark`, after its options were checked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from t2v.device import has_gpu
from t2v.evaluation.arms.catalog import ARMS
from t2v.evaluation.benchmark.folder import BenchmarkFolder
from t2v.evaluation.benchmark.given import GivenVideo, measure_given
from t2v.evaluation.benchmark.loading import new_maker
from t2v.evaluation.benchmark.making import Maker
from t2v.evaluation.benchmark.manifest import make_manifest, settle_manifest
from t2v.evaluation.benchmark.plan import Plan, Prompts
from t2v.evaluation.benchmark.running import run_suites
from t2v.evaluation.benchmark.sanity import run_sanity
from t2v.evaluation.metrics.flow import DISFlow, FlowBackend
from t2v.evaluation.metrics.mawe import PROTOCOL, Sizes
from t2v.evaluation.metrics.video import protocol
from t2v.evaluation.networks.given import NetworkFiles
from t2v.pipeline.helios_loading import load_helios
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.loading import load_stack
from t2v.pipeline.stack import Stack
from t2v.settings.presets import Preset
from t2v.weight_hashes import hash_file


QUICK_SIZES = Sizes(flow=256, warp=256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that the command was told."""

    preset: Preset
    prompts: Prompts
    plans: tuple[Plan, ...]
    flow: str  # "dis" or "raft"
    flow_weights: Path | None = None  # of RAFT
    networks: NetworkFiles = field(default_factory=NetworkFiles)
    out: Path
    quick: bool = False
    has_sanity: bool = False
    given: tuple[GivenVideo, ...] = ()


def run_job(job: Job, tell: Callable[[str], None]) -> None:
    """Runs the suites, and measures the videos that were given.

    Raises:
        ConfigError: the folder was begun with other settings.
        CheckpointError: weights are missing or do not fit.
    """
    device = "cuda" if has_gpu() else "cpu"
    flow, sizes = find_flow(job, device), sizes_of(job)
    networks = job.networks.load(device)
    folder = BenchmarkFolder(job.out)
    measured_by = protocol(flow, sizes)
    if job.flow_weights:
        measured_by["flow_weights"] = hash_file(job.flow_weights)
    records = {metric: network.record() for metric, network in networks.items()}
    manifest = make_manifest(job.preset, job.prompts, measured_by, records)
    manifest = settle_manifest(job.out, manifest)
    folder.delete_parts()
    if job.has_sanity:
        run_sanity(folder, flow, sizes, manifest["protocol"], tell)
    if job.plans:

        def load() -> Maker:
            refines = any(ARMS[arm].refined for plan in job.plans for arm in plan.arms)
            stack = load_any(job.preset, refine=refines)
            return new_maker(folder, job.preset, stack, job.prompts, flow, sizes, networks)

        run_suites(job.plans, folder, load, manifest, networks=networks, quick=job.quick, tell=tell)
    if job.given:
        measure_given(job.given, folder, flow, sizes, networks, manifest["protocol"])
        tell(f"runs: {folder.path / 'runs' / 'table.md'}")


def load_any(preset: Preset, *, refine: bool) -> Stack | HeliosStack:
    """Loads the networks of a preset, with room for its refiner if there is one and `refine`."""
    if preset.base == "helios":
        return load_helios(preset)
    return load_stack(preset, refine=refine)


def find_flow(job: Job, device: str) -> FlowBackend:
    """The estimator of optical flow.

    Raises:
        CheckpointError: its weights are not here, or do not fit.
    """
    if job.flow_weights is None:
        return DISFlow()
    from t2v.evaluation.networks.raft import RAFTFlow

    return RAFTFlow(job.flow_weights, device)


def sizes_of(job: Job) -> Sizes:
    """Sides of the squares for flow and warp; with RAFT those of the authors' script."""
    if job.quick:
        return QUICK_SIZES
    return Sizes(flow=720, warp=720) if job.flow == "raft" else PROTOCOL
