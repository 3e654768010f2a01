// Runs once for the timeline; `element`, `trigger` and `watch` come from gradio.
let place = 0; // where the strip is, and where it was left to itself; pixels
let followed = 0;
let focused = null;

// A click on a chunk says which one; page.js lets the video jump there at the same time.
element.addEventListener("click", (event) => {
  const chunk = event.target.closest("[data-chunk]");
  if (chunk) trigger("select", { index: Number(chunk.dataset.chunk), value: null });
});
element.addEventListener("scroll", (event) => (place = event.target.scrollLeft), true);
element.addEventListener("focusin", (event) => (focused = event.target.dataset.chunk ?? null));

// It is drawn anew with every chunk: it follows the one that is being made until somebody scrolls,
// and gives the focus back to where it was.
watch("value", () => {
  const strip = element.querySelector("ol");
  if (!strip) return;
  const making = strip.querySelector(".making");
  const isFollowing = making && Math.abs(place - followed) < 5;
  strip.scrollLeft = isFollowing ? making.offsetLeft - strip.clientWidth / 2 : place;
  if (isFollowing) followed = place = strip.scrollLeft;
  if (focused !== null && document.activeElement === document.body) {
    element.querySelector(`[data-chunk="${focused}"]`)?.focus({ preventScroll: true });
  }
});
