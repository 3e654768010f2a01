// Runs once for the X-T slice; `element` comes from gradio. One small request now and then, only
// while the slice is open and grows.
const SOON = 1500; // milliseconds
let version = "";
let wanted = ""; // the run and the row of the last request
let isLive = false;
let isAsking = false;
let isStale = false; // the run has gone on or ended since it was asked for

const slider = element.querySelector("input");
const shownRun = () => new URLSearchParams(window.location.search).get("run") ?? "";
const isMade = () => Boolean(document.querySelector("#status .status:is(.queued, .loading, .running)"));

const ask = async (run) => {
  const answer = await fetch("gradio_api/run/slice", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ data: [run, Number(slider.value) / 100, version] }),
  });
  if (!answer.ok) return false; // the run was deleted
  const [slice] = (await answer.json()).data;
  if (slice.html !== undefined) element.querySelector(".picture").innerHTML = slice.html;
  version = slice.version;
  isLive = slice.is_live;
  return slice.has_more;
};
const refresh = async () => {
  const run = shownRun();
  if (isAsking || document.hidden || !run || !element.checkVisibility()) return;
  const asked = `${run} ${slider.value}`;
  if (asked === wanted && !isLive && !isStale && !isMade()) return;
  if (run !== wanted.split(" ")[0]) element.querySelector(".picture").innerHTML = "";
  wanted = asked;
  isStale = false;
  isAsking = true;
  const hasMore = await ask(run).catch(() => false); // the server does not answer
  isAsking = false;
  if (hasMore || `${shownRun()} ${slider.value}` !== wanted) setTimeout(refresh, 50);
};

slider.addEventListener("input", () => {
  element.querySelector("output").textContent = `${slider.value} %`;
  refresh();
});
// Nobody asks while the slice is folded away or the page is hidden: the status tells of it later.
const status = document.querySelector("#status");
const whole = { childList: true, subtree: true, characterData: true, attributes: true };
if (status) new MutationObserver(() => (isStale = true)).observe(status, whole);
setInterval(refresh, SOON);
