"""`/metrics`: the state of the queue and of the workers, for Prometheus.

Everything is read from the folder of the runs when somebody asks, so it covers all processes that
share the folder.
"""

import hmac
import os
from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from t2v.runs.record import STATES
from t2v.runs.sharing.workers import WorkerState
from t2v.runs.worker import Worker
from t2v.ui.visitors import host_name, is_owner, is_this_machine


PATH = "/metrics"
TOKEN_VARIABLE = "LONGTAKE_METRICS_TOKEN"
REFUSED = (
    "Metrics are for programs of the machine that the app runs on. To let others read them, start "
    f"the app with {TOKEN_VARIABLE} and send that token: Authorization: Bearer TOKEN."
)


class MetricsEndpoint:
    """ASGI middleware that answers `/metrics`. Without a login: programs have none.

    Whoever asks from this machine, under its own name and through no proxy, may read it, and
    whoever knows the token. The guard around it has put the true address into the request.

    Args:
        token: "" for none.
    """

    def __init__(self, app: ASGIApp, worker: Worker, token: str = ""):
        self._app = app
        self._token = token
        self._registry = CollectorRegistry()
        self._registry.register(RunCollector(worker))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/") != PATH:
            await self._app(scope, receive, send)
            return
        await (await self._answer(Request(scope)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("only GET", status_code=405)
        if not (is_from_here(request) or self._has_token(request.headers)):
            return PlainTextResponse(REFUSED, status_code=403)
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        body = await run_in_threadpool(encode, self._registry)  # it reads files
        return Response(body, headers={"content-type": kind})

    def _has_token(self, headers: Headers) -> bool:
        sent = headers.get("authorization", "").encode()
        return bool(self._token) and hmac.compare_digest(sent, f"Bearer {self._token}".encode())


def is_from_here(request: Request) -> bool:
    """Whether a program of this machine asks for the app itself, not for a public name of it."""
    return is_owner(request) and is_this_machine(host_name(request.headers.get("host", "")))


def metrics_for(worker: Worker) -> Callable[[ASGIApp], ASGIApp]:
    """Adds `/metrics` to an app, with the token of the environment."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return lambda app: MetricsEndpoint(app, worker, token)


class RunCollector(Collector):
    """The metrics of a folder of runs."""

    def __init__(self, worker: Worker):
        self._worker = worker

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not read the folder."""
        return []

    def collect(self) -> Iterable[Metric]:
        runs = GaugeMetricFamily("longtake_runs", "Runs in the folder, by state.", labels=["state"])
        counts = self._worker.library.count_states()
        for state in STATES:
            runs.add_metric([state], counts[state])
        yield runs
        waiting = len(self._worker.queue.waiting_runs())
        yield GaugeMetricFamily("longtake_queue_length", "Runs that wait for a worker.", waiting)
        yield from worker_metrics(self._worker.makers())


def worker_metrics(workers: list[WorkerState]) -> Iterable[Metric]:
    """What each worker does, and has done since it started. Workers of one name count together."""
    number = GaugeMetricFamily("longtake_workers", "Processes that make runs.", len(workers))
    busy = GaugeMetricFamily("longtake_workers_busy", "Those of them that make one now.")
    busy.add_metric([], sum(bool(worker.run_id) for worker in workers))
    failures = CounterMetricFamily("longtake_failures", "Runs that failed.", labels=["worker"])
    failed: Counter[str] = Counter()
    chunks: dict[tuple[str, str, str], tuple[int, float]] = {}
    for worker in workers:
        failed[worker.name] += worker.num_failed
        for count in worker.chunks:
            key = worker.name, count.preset, count.track
            num_chunks, seconds = chunks.get(key, (0, 0.0))
            chunks[key] = num_chunks + count.num_chunks, seconds + count.seconds
    for name, num_failed in failed.items():
        failures.add_metric([name], num_failed)
    times = SummaryMetricFamily(
        "longtake_chunk_seconds",
        "Chunks that were made, and seconds of work on them.",
        labels=["worker", "preset", "track"],
    )
    for labels, (num_chunks, seconds) in chunks.items():
        times.add_metric(labels, count_value=num_chunks, sum_value=seconds)
    yield from (number, busy, failures, times)
