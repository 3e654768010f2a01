"""Attacks on a visitor of the page, in headless Chromium: another site, and a foreign run."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.browser_steps import SECOND
from tests.support.fakes import PaintingStream, settings


pytestmark = pytest.mark.browser

ATTACK = """async ([url, id]) => {
  const told = [];
  const paths = ["call/delete", "call/set_favourite", "upload", "run/delete", "queue/join"];
  for (const path of paths) {
    for (const mode of ["cors", "no-cors"]) {
      for (const type of ["text/plain", "application/json"]) {
        const form = new FormData();
        form.append("files", new Blob(["x"]), "evil.mp4");
        const body = path === "upload" ? form : JSON.stringify({data: [id, true]});
        const headers = path === "upload" ? {} : {"Content-Type": type};
        try {
          const options = {method: "POST", mode, credentials: "include", headers, body};
          const answer = await fetch(`${url}gradio_api/${path}`, options);
          if (answer.type !== "opaque") told.push([path, mode, answer.status]);
        } catch {}
      }
    }
  }
  for (const path of ["config", "gradio_api/info"]) {
    try {
      const answer = await fetch(url + path, {credentials: "include"});
      told.push([path, answer.status]);
    } catch {}
  }
  return told;
}"""


@pytest.fixture
def other_site():
    """The address of a page on another port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # the name that the library calls
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Another site</h1>")

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def made(worker) -> str:
    run_id = worker.submit(settings())
    list(worker.watch(run_id))
    return run_id


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_on_another_port_changes_and_reads_nothing(serve, visit, other_site, tmp_path, name):
    url, worker = serve(PaintingStream())
    run_id = made(worker)
    before = worker.record(run_id)
    page = visit(url)  # so that this browser has the cookie of a visitor
    page.goto(other_site)
    told = page.evaluate(ATTACK, [url.replace("127.0.0.1", name), run_id])
    assert told == []
    assert worker.record(run_id) == before
    assert not list((tmp_path / "gradio").rglob("evil.mp4"))


def test_nothing_in_the_folder_of_a_run_from_elsewhere_is_run_as_script(serve, visit):
    url, worker = serve(PaintingStream())
    evil = '"\'><img src=x onerror="window.attacked=1"><script>window.attacked=1</script>'
    run_id = made(worker)
    path = worker.runs_dir / run_id / "run.json"
    record = json.loads(path.read_text())
    record |= {"created": evil, "version": evil, "message": evil, "num_refined_frames": 0}
    record |= {"versions": {evil: evil}, "weights": {evil: evil}, "visitor": evil}
    record["settings"] |= {"preset": evil}
    record["settings"]["config"] |= {"prompt": evil, "negative_prompt": evil}
    path.write_text(json.dumps(record))
    page = visit(f"{url}?run={run_id}")
    page.locator(".status.finished").wait_for()
    page.get_by_role("button", name="Your videos").click()
    page.locator("#gallery li").first.wait_for()
    shown = page.locator("#gallery")
    assert shown.get_by_text("<img src=x").count() >= 1
    assert "<" not in shown.locator("time").last.get_attribute("datetime")
    page.get_by_text("How this video was made").click()
    page.wait_for_timeout(1 * SECOND)
    assert page.evaluate("window.attacked === undefined")
