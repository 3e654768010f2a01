"""`/metrics` over HTTP: what it says, and to whom."""

import time
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from t2v.cli import build_parser
from t2v.runs.sharing.workers import WorkerState
from t2v.runs.tally import ChunkCount
from t2v.runs.worker import Worker
from t2v.ui.auth import Access
from t2v.ui.metrics import REFUSED, TOKEN_VARIABLE, MetricsEndpoint, RunCollector, worker_metrics
from tests.support.fakes import PaintingStream, StepGate, made, opener, painted_preset, settings
from tests.support.serving import serving
from tests.ui.test_auth import BEHIND_A_PROXY, GUESTS, HOME, forwarded


PATIENCE = 60  # seconds
LOGIN = Access(login=("reviewer", "secret"), is_relayed=True)
TOKEN = "a-long-token"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Servers with metrics by their access rules, each started once; gives (address, worker)."""
    with ExitStack() as opened:
        opened.enter_context(pytest.MonkeyPatch.context()).setenv(TOKEN_VARIABLE, TOKEN)
        started = {}

        def start(access, **options):
            key = (access, *options)
            if key not in started:
                server = serving(
                    opener(PaintingStream(fails_at=4, error=ValueError("broken"))),
                    {"painted": painted_preset()},
                    tmp_path_factory.mktemp("server"),
                    access,
                    **options or {"has_metrics": True},
                )
                started[key] = opened.enter_context(server)
            return started[key]

        yield start


def ask(url, **options):
    method = options.pop("method", "GET")
    return httpx.request(method, f"{url}metrics", trust_env=False, timeout=60, **options)


def by_labels(families) -> dict:
    """Values by name and the values of the labels, which are in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def samples(text) -> dict:
    return by_labels(text_string_to_metric_families(text))


def wait_for(metrics, key, value) -> dict:
    end = time.monotonic() + PATIENCE
    while (found := metrics()).get(key) != value:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_runs_failures_and_seconds_per_chunk_are_counted(servers):
    url, worker = servers(HOME)
    for num_chunks in (3, 5, 2):
        made(worker, num_chunks=num_chunks)
    name = "this process"
    chunks = "longtake_chunk_seconds_count", "painted", "preview", name
    wait_for(lambda: samples(ask(url).text), chunks, 3 + 4 + 2)
    found = wait_for(lambda: samples(ask(url).text), ("longtake_workers_busy",), 0)
    assert found["longtake_runs", "finished"] == 2
    assert found["longtake_runs", "failed"] == found["longtake_failures_total", name] == 1
    assert found["longtake_runs", "queued"] == found["longtake_queue_length",] == 0
    assert (found["longtake_workers",], found["longtake_workers_busy",]) == (1, 0)
    seconds = found["longtake_chunk_seconds_sum", "painted", "preview", name]
    assert 0 < seconds < PATIENCE


def test_what_another_process_makes_and_what_waits_is_counted(tmp_path):
    steps = StepGate()
    maker = Worker(opener(PaintingStream(gate=steps)), tmp_path, name="CPU 7")
    page = Worker(None, tmp_path)
    collector = RunCollector(page)

    def metrics():
        return by_labels(collector.collect())

    try:
        for visitor in "abc":
            page.submit(settings(num_chunks=4), visitor)
        steps.release(2 * 2 + 1)  # two chunks, and a step
        chunks = "longtake_chunk_seconds_count", "painted", "preview", "CPU 7"
        wait_for(metrics, chunks, 2)
        found = wait_for(metrics, ("longtake_queue_length",), 2)
        assert found["longtake_workers_busy",] == 1
        assert (found["longtake_runs", "running"], found["longtake_runs", "queued"]) == (1, 2)
    finally:
        steps.open()
        page.close()
        maker.close()


def test_workers_of_one_name_count_together():
    twins = [
        WorkerState("GPU", "a", "", num, (ChunkCount("a", "refined", 3 * num, 0.5 * num),))
        for num in (5, 7)
    ]
    found = by_labels(worker_metrics(twins))
    assert found["longtake_failures_total", "GPU"] == 12
    assert found["longtake_chunk_seconds_count", "a", "refined", "GPU"] == 36
    assert found["longtake_chunk_seconds_sum", "a", "refined", "GPU"] == 6.0


@pytest.mark.parametrize("access", [HOME, GUESTS, LOGIN, BEHIND_A_PROXY])
def test_programs_of_this_machine_read_them_without_a_login(servers, access):
    url, _ = servers(access)
    answer = ask(url)
    assert answer.status_code == 200 and "longtake_workers 1.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    openmetrics = ask(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("access", [GUESTS, LOGIN, BEHIND_A_PROXY])
@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"Host": "0a1b2c.gradio.live"}},
        forwarded("203.0.113.9"),
        forwarded("127.0.0.1, 203.0.113.9"),
        {"headers": {"Forwarded": "for=203.0.113.9"}},
        {"headers": {"Authorization": "Bearer wrong"} | forwarded("203.0.113.9")["headers"]},
        {"auth": ("reviewer", "secret"), **forwarded("203.0.113.9")},
    ],
    ids=["share link", "forwarded", "two hops", "standard", "wrong token", "login"],
)
def test_others_read_them_with_the_token_alone(servers, access, sent):
    url, _ = servers(access)
    answer = ask(url, **sent)
    assert (answer.status_code, answer.text) == (403, REFUSED)
    headers = {**sent.get("headers", {}), "Authorization": f"Bearer {TOKEN}"}
    assert ask(url, headers=headers).status_code == 200


def test_no_token_is_no_key(servers):
    endpoint = MetricsEndpoint(None, servers(HOME)[1])
    for sent in ("", "Bearer ", "Bearer None"):
        assert not endpoint._has_token({"authorization": sent})


def test_nothing_is_served_unless_asked_for(servers):
    url, _ = servers(HOME, has_metrics=False)
    assert ask(url).status_code == 404
    assert not build_parser().parse_args(["app"]).metrics
    assert build_parser().parse_args(["app", "--metrics"]).metrics


def test_only_reading_is_answered(servers):
    url, _ = servers(HOME)
    assert ask(url, method="POST").status_code == 405
    assert ask(url, headers={"Host": "evil.example"}).status_code == 403
