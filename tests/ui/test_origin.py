"""Attacks over HTTP: other web sites, other names of this machine, forged visitors."""

import stat
from contextlib import ExitStack

import httpx
import pytest

from t2v.runs.folder import iter_folders
from t2v.runs.sharing.folder import WORK
from t2v.ui.auth import ONLY_WATCHING, Access
from t2v.ui.request_guard import WRONG_HOST, WRONG_ORIGIN
from t2v.ui.upload_limits import PartCounter, UploadLimits
from t2v.ui.visitors import COOKIE, KEY_FILE, SECRET, load_key, short_hash
from tests.support.fakes import PaintingStream, opener, painted_preset
from tests.support.serving import serving
from tests.ui.test_auth import BEHIND_A_PROXY, GUESTS, HOME, answer_to, browser, forwarded, make
from tests.ui.test_raw_api import MAKE


EVIL = "https://evil.example"
SMALL = Access(max_upload="1mb", max_chunks=8)
BODY = {"data": [value for _, value in MAKE]}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Servers by their access rules, each started once; gives (address, worker)."""
    with ExitStack() as opened:
        started = {}

        def start(access):
            if access not in started:
                folder = tmp_path_factory.mktemp("server")
                presets = {"painted": painted_preset()}
                server = serving(opener(PaintingStream()), presets, folder, access)
                started[access] = opened.enter_context(server)
            return started[access]

        yield start


def send(url, path, method="POST", **options):
    return httpx.request(method, url + path, trust_env=False, timeout=60, **options)


def host_of(url) -> str:
    return httpx.URL(url).netloc.decode()


def port_of(url) -> str:
    return f":{httpx.URL(url).port}"


WRITING = [
    ("gradio_api/call/delete", {"json": {"data": ["0" * 24]}}),
    ("gradio_api/call/make", {"json": BODY}),
    ("gradio_api/queue/join", {"json": BODY}),
    ("gradio_api/upload", {"files": {"files": ("a.txt", b"text")}}),
    ("login", {"data": {"username": "a", "password": "b"}}),
]


@pytest.mark.parametrize("access", [HOME, GUESTS, BEHIND_A_PROXY], ids=["home", "guests", "proxy"])
@pytest.mark.parametrize(
    "sent_by",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Origin": ""},
        {"Referer": f"{EVIL}/page"},
        {"Origin": EVIL, "Referer": "http://127.0.0.1"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_what_another_site_sends_never_reaches_gradio(servers, access, sent_by):
    url, worker = servers(access)
    before = {folder.id for folder in iter_folders(worker.runs_dir)}
    for path, body in WRITING:
        answer = send(url, path, headers=sent_by, **body)
        assert (answer.status_code, answer.text) == (403, WRONG_ORIGIN), path
        assert "access-control-allow-origin" not in answer.headers
    assert {folder.id for folder in iter_folders(worker.runs_dir)} == before


def test_a_site_cannot_use_the_rights_of_a_guest_through_a_share_link(servers):
    relayed = Access(is_relayed=True)
    url, worker = servers(relayed)
    guest = browser(url)
    run_id = make(url, guest)
    headers = {"Host": "x.gradio.live", "Origin": EVIL}
    body = {"data": [run_id]}
    answer = send(url, "gradio_api/call/delete", headers=headers, json=body, **guest)
    assert answer.status_code == 403
    assert worker.record(run_id).id == run_id
    own = {"Host": "x.gradio.live", "Origin": "https://x.gradio.live"}
    renamed = {"X-Forwarded-Host": "x.gradio.live", "Origin": "https://x.gradio.live"}
    for headers in (own, renamed):
        answer = send(url, "gradio_api/call/run", headers=headers, json=body, **guest)
        assert answer.status_code == 200


def test_a_forwarded_host_is_not_believed_without_a_proxy(servers):
    url, _ = servers(GUESTS)
    headers = {"X-Forwarded-Host": "evil.example", "Origin": EVIL}
    assert send(url, "gradio_api/call/make", headers=headers, json=BODY).status_code == 403


@pytest.mark.parametrize("host", [None, "x.gradio.live"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_other_site_may_read_an_answer(servers, host, method):
    url, _ = servers(GUESTS)
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    headers |= {"Host": host} if host else {}
    answer = send(url, "config", method, headers=headers)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-allow")]


def test_the_page_itself_and_programs_work(servers):
    for access in (HOME, GUESTS):
        url, _ = servers(access)
        own = url.rstrip("/")
        for headers in ({}, {"Origin": own}, {"Referer": f"{own}/?run=1"}):
            for path, body in WRITING[:2] + WRITING[3:4]:
                assert send(url, path, headers=headers, **body).status_code == 200, path


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_in_private_mode_the_names_of_this_machine_are_known(servers, name):
    url, _ = servers(HOME)
    for port in (port_of(url), ":80", ""):
        assert send(url, "config", "GET", headers={"Host": name + port}).status_code == 200


@pytest.mark.parametrize(
    "name", ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "192.168.1.7", "[", "@", ""]
)
@pytest.mark.parametrize(("path", "method"), [("", "GET"), ("gradio_api/call/runs", "POST")])
def test_in_private_mode_other_names_are_refused(servers, name, path, method):
    """Else a site whose name leads to this machine could read the page (DNS rebinding)."""
    url, _ = servers(HOME)
    headers = {"Host": name + port_of(url) if name else ""}
    answer = send(url, path, method, headers=headers)
    assert answer.status_code in (400, 403)  # 400: the server refuses what is no name
    if answer.status_code == 403:
        assert answer.text == WRONG_HOST


def test_guests_may_use_any_name_of_the_server(servers):
    url, _ = servers(GUESTS)
    assert send(url, "config", "GET", headers={"Host": "studio.local:7860"}).status_code == 200


@pytest.mark.parametrize("access", [GUESTS, HOME], ids=["guests", "home"])
def test_a_forwarded_address_is_not_believed_without_a_proxy(servers, access):
    url, worker = servers(access)
    run_id = make(url, forwarded("10.0.0.1"))
    assert worker.record(run_id).visitor != short_hash(SECRET + b"10.0.0.1")
    own = make(url, {})
    for address in ("127.0.0.1", "::1", "10.0.0.1"):
        assert ONLY_WATCHING in answer_to(url, "delete", own, forwarded(address))


@pytest.mark.parametrize(
    ("access", "hops", "address"),
    [
        (BEHIND_A_PROXY, "10.0.0.1", "10.0.0.1"),
        (BEHIND_A_PROXY, "10.0.0.1, 8.8.8.8", "8.8.8.8"),
        (Access(proxies=2), "10.0.0.1, 8.8.8.8, 10.0.0.9", "8.8.8.8"),
        (Access(is_relayed=True), "9.9.9.9, 8.8.8.8", "8.8.8.8"),
        (Access(is_relayed=True), "9.9.9.9, 8.8.8.8, 10.0.0.9", "8.8.8.8"),
        (Access(is_relayed=True), "nonsense, 10.0.0.9", "10.0.0.9"),
    ],
)
def test_behind_a_proxy_the_address_is_what_the_proxy_appended(servers, access, hops, address):
    url, worker = servers(access)
    run_id = make(url, forwarded(hops))
    assert worker.record(run_id).visitor == short_hash(SECRET + address.encode())


def upload(url, *sizes, **options):
    files = [("files", (f"{n}.mp4", bytes([n % 256]) * size)) for n, size in enumerate(sizes)]
    return send(url, "gradio_api/upload", files=files, **options)


def cached_bytes(worker) -> int:
    cache = worker.runs_dir.parent / "gradio"
    return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())


def test_uploads_of_guests_are_limited_in_number_and_size(servers):
    url, worker = servers(SMALL)
    assert upload(url, 400_000, 500_000).status_code == 200
    before = cached_bytes(worker)
    many = upload(url, *[10] * 300)
    assert (many.status_code, "At most 4 files" in many.text) == (413, True)
    large = upload(url, 600_000, 600_000)
    assert (large.status_code, "At most 1mb" in large.text) == (413, True)
    without_length = send(
        url,
        "gradio_api/upload",
        content=iter(
            [b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n"]
            + [b"x" * 100_000] * 12
            + [b"\r\n--b--\r\n"]
        ),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert without_length.status_code == 413
    assert cached_bytes(worker) == before
    assert upload(url, 10, 10, 10, 10).status_code == 200


def test_uploads_of_an_address_are_limited_in_an_hour(servers):
    url, _ = servers(Access(proxies=1, max_upload="1mb", max_chunks=9))
    other, full = ({"headers": forwarded(address)["headers"]} for address in ("8.8.8.8", "9.9.9.9"))
    answers = [upload(url, 1_000_000, **full).status_code for _ in range(24)]
    assert answers[:20] == [200] * 20 and answers[-1] == 413
    assert upload(url, 1_000_000, **other).status_code == 200


def test_the_limit_of_an_hour_ends_with_it():
    clock = [0.0]
    limits = UploadLimits("1mb", now=lambda: clock[0])

    def take() -> str:
        one = limits._begin({"client": ("8.8.8.8", 1)})
        one.num_bytes = 1_000_000
        return limits._refusal(one, 1)

    assert [take() for _ in range(21)] == [""] * 21
    assert "in an hour" in [take() for _ in range(2)][-1]
    clock[0] = 3601.0
    assert take() == ""


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_parts_are_counted_however_the_body_is_cut(size):
    body = b"--xyz\r\n\r\none --xy z\r\n--xyz\r\n\r\ntwo\r\n--xyz--\r\n"
    counter = PartCounter('multipart/form-data; boundary="xyz"')
    for start in range(0, len(body), size):
        counter.add(body[start : start + size])
    assert counter.count == 2


def test_the_key_of_the_cookies_is_kept_and_is_not_served(servers):
    url, worker = servers(GUESTS)
    path = worker.runs_dir / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(worker.runs_dir) == path.read_bytes()
    for served in (path, worker.runs_dir / "x" / ".." / KEY_FILE):
        assert send(url, f"gradio_api/file={served}", "GET").status_code == 403


def test_what_processes_tell_each_other_is_not_served(servers):
    """Whoever knows the id of a run may watch it, and the queue has all ids."""
    url, worker = servers(GUESTS)
    queued = worker.runs_dir / WORK / "queue" / f"{'a' * 24}.json"
    queued.parent.mkdir(parents=True, exist_ok=True)
    queued.write_text("{}")
    listed = next((worker.runs_dir / WORK / "workers").iterdir())
    for served in (queued, listed):
        assert send(url, f"gradio_api/file={served}", "GET").status_code == 403


def test_a_cookie_of_another_folder_is_nobody(servers, tmp_path):
    cookie = browser(servers(Access(max_chunks=7))[0])
    url, worker = servers(GUESTS)
    run_id = make(url, cookie)
    assert worker.record(run_id).visitor == short_hash(SECRET + b"127.0.0.1")
    assert COOKIE in send(url, "", "GET", **cookie).headers["set-cookie"]


def test_a_folder_that_keeps_no_key_gets_one_for_this_start(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert load_key(tmp_path / "file") != load_key(tmp_path / "file")
    assert "forgotten when the app ends" in caplog.text
    (tmp_path / KEY_FILE).write_bytes(b"cut")
    assert load_key(tmp_path) == load_key(tmp_path) == (tmp_path / KEY_FILE).read_bytes()
    assert len((tmp_path / KEY_FILE).read_bytes()) == 32
