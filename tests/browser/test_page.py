"""Making and watching videos, in headless Chromium."""

import time

import pytest

from t2v.runs.folder import iter_folders
from tests.support.browser_steps import (
    SECOND,
    ask,
    download,
    live_time,
    open_settings,
    run_of,
    step_until,
    wait_for_state,
)
from tests.support.fakes import (
    PaintedRefiner,
    PaintingStream,
    StepGate,
    is_yellow,
    read_number,
    read_numbers,
)


pytestmark = pytest.mark.browser


def test_the_video_plays_while_it_is_made_and_becomes_a_file(serve, visit, tmp_path):
    steps = StepGate(24)  # of 32
    url, _ = serve(PaintingStream(seconds_per_step=0.1, gate=steps))
    page = visit(url)
    ask(page, chunks=8)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    before = live_time(page)
    page.wait_for_function(f"document.querySelector('#live video').currentTime > {before} + 1")
    assert page.locator(".status.running").is_visible()

    steps.open()
    wait_for_state(page, "finished")
    page.wait_for_function("document.querySelector('#result video')?.readyState > 1")
    page.evaluate("document.querySelector('#result video').play()")
    page.wait_for_function("document.querySelector('#result video').currentTime > 0.5")
    length = page.evaluate("document.querySelector('#result video').duration")
    assert length == pytest.approx(9.0, abs=0.05)
    assert read_numbers(download(page, tmp_path / "video.mp4")) == list(range(72))
    page.wait_for_function("document.querySelector('#live video').currentTime > 8.5")
    page.locator("#result").wait_for(state="visible")
    assert not page.locator("#live").is_visible()


def test_stop_ends_within_a_step_and_keeps_the_video(serve, visit, tmp_path):
    stream = PaintingStream(seconds_per_step=0.3)
    url, worker = serve(stream)
    page = visit(url)
    ask(page, chunks=2000)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    page.get_by_role("button", name="Stop").click()
    clicked = time.monotonic()
    wait_for_state(page, "stopped")
    # Of 40 minutes. That the worker stops within a step is tested without a browser.
    assert time.monotonic() - clicked < 60
    assert stream.num_closed == 1

    frames = download(page, tmp_path / "video.mp4")
    record = worker.record(run_of(page))
    assert read_numbers(frames) == list(range(record.num_frames))
    assert page.get_by_role("button", name="Generate", exact=True).is_enabled()


def test_the_refined_video_follows_the_preview_in_a_second_player(serve, visit, tmp_path):
    steps = StepGate(40)  # of 48
    url, _ = serve(PaintingStream(seconds_per_step=0.1, gate=steps), PaintedRefiner(0.1))
    page = visit(url)
    assert not page.locator("#refined-screen").is_visible()
    ask(page, chunks=12, refine=True)
    page.wait_for_function("document.querySelector('#refined-live video')?.currentTime > 0.3")
    assert live_time(page) > 0.3
    assert page.locator(".status.running section.preview").is_visible()
    assert "Refined" in page.locator(".status.running section.refined").inner_text()

    page.reload()
    for screen in ("#live", "#refined-live"):
        page.wait_for_function(f"document.querySelector('{screen} video')?.currentTime > 0.3")
    assert page.get_by_label("Refine", exact=True).is_checked()
    steps.open()
    wait_for_state(page, "finished")
    preview = download(page, tmp_path / "video.mp4")
    refined = download(page, tmp_path / "refined.mp4", "#refined-download")
    assert read_numbers(preview) == read_numbers(refined) == list(range(104))
    assert is_yellow(refined) and not is_yellow(preview)

    page.get_by_role("button", name="Show side by side").click()
    page.wait_for_function("document.querySelector('#compared video')?.readyState > 1")
    size = "(v => v.videoWidth / v.videoHeight)(document.querySelector('#compared video'))"
    assert page.evaluate(size) == 2
    page.locator("#refined-result").wait_for(state="visible")
    assert not page.locator("#refined-live").is_visible()


def test_stop_keeps_both_videos(serve, visit, tmp_path):
    steps = StepGate(40)
    url, worker = serve(PaintingStream(gate=steps), PaintedRefiner())
    page = visit(url)
    ask(page, chunks=200, refine=True)
    page.wait_for_function("document.querySelector('#refined-live video')?.currentTime > 0.3")
    page.get_by_role("button", name="Stop").click()
    run_id = run_of(page)
    step_until(page, steps, lambda: worker.record(run_id).state == "stopped")
    wait_for_state(page, "stopped")
    record = worker.record(run_id)
    preview = download(page, tmp_path / "video.mp4")
    refined = download(page, tmp_path / "refined.mp4", "#refined-download")
    assert read_numbers(preview) == list(range(record.num_frames))
    assert read_numbers(refined) == list(range(record.num_refined_frames))
    assert 16 <= record.num_refined_frames < record.num_frames


def test_a_reload_returns_to_the_running_video(serve, visit, tmp_path):
    steps = StepGate(28)  # of 36
    url, worker = serve(PaintingStream(seconds_per_step=0.1, gate=steps))
    page = visit(url)
    ask(page, prompt="two blue rings", chunks=9)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 1")
    run_id = run_of(page)

    page.reload()
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    assert page.locator(".status.running").is_visible()
    assert page.get_by_label("Prompt", exact=True).input_value() == "two blue rings"
    steps.open()
    wait_for_state(page, "finished")
    assert run_of(page) == run_id
    assert read_numbers(download(page, tmp_path / "video.mp4")) == list(range(80))
    assert len(list(iter_folders(worker.runs_dir))) == 1


def test_another_video_can_be_requested_while_one_is_made(serve, visit, tmp_path):
    steps = StepGate(14)  # of 20: the first run does not end before the second waits
    url, worker = serve(PaintingStream(seconds_per_step=0.25, gate=steps))
    page = visit(url)
    ask(page, chunks=5)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    first = run_of(page)
    ask(page, prompt="a blue ring", chunks=3, seed=9)
    page.locator(".status.queued").wait_for()
    page.locator("#live .empty").wait_for()
    second = run_of(page, after=first)
    steps.open()
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    wait_for_state(page, "finished")
    assert [seed for _, seed in map(read_number, download(page, tmp_path / "a.mp4"))] == [9] * 32
    assert {worker.record(run_id).state for run_id in (first, second)} == {"finished"}
    page.get_by_role("link", name="Longtake").click()
    page.locator(".status.idle").wait_for()
    assert "run=" not in page.url


def test_a_video_that_is_dropped_onto_the_player_loads_its_settings(serve, visit, tmp_path):
    url, _ = serve(PaintingStream())
    page = visit(url)
    ask(page, prompt="two blue rings", chunks=2)
    wait_for_state(page, "finished")
    download(page, path := tmp_path / "video.mp4")
    page.get_by_label("Prompt", exact=True).fill("something else")
    open_settings(page)
    dropped = page.evaluate_handle(
        """(bytes) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], "v.mp4", { type: "video/mp4" }));
          return files;
        }""",
        list(path.read_bytes()),
    )
    page.locator("#result").dispatch_event("drop", {"dataTransfer": dropped})
    page.wait_for_function(
        "[...document.querySelectorAll('textarea')].some(box => box.value === 'two blue rings')"
    )
    page.get_by_text("The form has the settings of v.mp4 now").first.wait_for()
    page.locator("#settings-file").wait_for()


def test_a_second_tab_finds_the_video_without_the_link(serve, visit):
    url, _ = serve(PaintingStream(seconds_per_step=0.2))
    page = visit(url)
    ask(page, chunks=8)
    run_id = run_of(page)
    second = visit(url, page.context)
    assert run_of(second) == run_id
    wait_for_state(second, "finished")
    wait_for_state(page, "finished")


def test_the_second_visitor_waits_and_gets_its_own_video(serve, visit, tmp_path):
    steps = StepGate(9)  # of 24
    url, _ = serve(PaintingStream(gate=steps))
    first, second = visit(url), visit(url)
    ask(first, seed=3)
    wait_for_state(first, "running")
    ask(second, seed=9)
    wait_for_state(second, "queued")
    assert "You are next" in second.locator("#status").inner_text()
    steps.open()
    for page, seed in ((first, 3), (second, 9)):
        wait_for_state(page, "finished")
        read = [read_number(frame) for frame in download(page, tmp_path / f"{seed}.mp4")]
        assert read == [(number, seed) for number in range(56)]
        assert page.get_by_label("Seed", exact=True).input_value() == str(seed)


def test_an_invalid_setting_is_reported_and_nothing_is_lost(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    ask(page, prompt="a red star", chunks=0)
    page.get_by_text("from 1 to 10000, got 0").first.wait_for()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a red star"
    assert page.get_by_role("button", name="Generate", exact=True).is_enabled()
    assert not list(worker.runs_dir.glob("*/run.json"))


def test_without_streaming_the_page_says_so_and_the_video_grows(serve, visit):
    steps = StepGate(16)  # of 24
    url, _ = serve(PaintingStream(seconds_per_step=0.1, gate=steps), is_streaming=False)
    page = visit(url)
    assert page.get_by_text("cannot be streamed").is_visible()
    ask(page)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 1.5")
    assert page.locator(".status.running").is_visible()
    duration = page.evaluate("document.querySelector('#live video').duration")
    steps.release(4)
    page.wait_for_function(
        f"(video => video.duration > {duration} && video.currentTime > 0)"
        "(document.querySelector('#live video'))"
    )
    page.wait_for_timeout(0.3 * SECOND)
    assert live_time(page) > 1.5  # it does not start again
    steps.open()
    wait_for_state(page, "finished")


def test_a_failure_keeps_the_video_so_far(serve, visit, tmp_path):
    url, worker = serve(PaintingStream(fails_at=2, error=RuntimeError("innermost detail")))
    page = visit(url)
    ask(page)
    wait_for_state(page, "failed")
    assert "innermost detail" not in page.content()
    assert str(worker.runs_dir) not in page.content()
    assert read_numbers(download(page, tmp_path / "video.mp4")) == list(range(24))


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_horizontally(serve, visit, width):
    url, _ = serve(PaintingStream())
    page = visit(url)
    page.set_viewport_size({"width": width, "height": 850})
    ask(page, prompt="an elephant")
    wait_for_state(page, "finished")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
