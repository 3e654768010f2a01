// Runs once for the timeline; `element`, `trigger` and `watch` come from gradio.
let position = 0; // of the strip, in pixels
let followed = 0; // the last position that was set automatically
let focused = null;
let run = ""; // that these are about

// A click on a chunk selects it; page.js seeks the video at the same time.
element.addEventListener("click", (event) => {
  const chunk = event.target.closest("[data-chunk]");
  if (chunk) trigger("select", { index: Number(chunk.dataset.chunk), value: null });
});
element.addEventListener("scroll", (event) => (position = event.target.scrollLeft), true);
element.addEventListener("focusin", (event) => (focused = event.target.dataset.chunk ?? null));

// The timeline is replaced with every chunk. It follows the chunk that is being made until the
// visitor scrolls, and restores the focus.
watch("value", () => {
  const strip = element.querySelector("ol");
  if (!strip) return;
  if (strip.dataset.run !== run) {
    run = strip.dataset.run;
    position = followed = 0;
    focused = null;
  }
  const making = strip.querySelector(".making");
  const isFollowing = making && Math.abs(position - followed) < 5;
  strip.scrollLeft = isFollowing ? making.offsetLeft - strip.clientWidth / 2 : position;
  if (isFollowing) followed = position = strip.scrollLeft;
  if (focused !== null && document.activeElement === document.body) {
    element.querySelector(`[data-chunk="${focused}"]`)?.focus({ preventScroll: true });
  }
});
