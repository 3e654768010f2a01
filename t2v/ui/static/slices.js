// Runs once for the X-T slice; `element` comes from gradio. One small request now and then, only
// while the slice is open and grows.
const SOON = 1500; // milliseconds
let version = "";
let wanted = ""; // the run and the row of the last request
let isLive = false;
let isAsking = false;

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
  if (asked === wanted && !isLive && !isMade()) return;
  if (run !== wanted.split(" ")[0]) element.querySelector(".picture").innerHTML = "";
  wanted = asked;
  isAsking = true;
  const hasMore = await ask(run).catch(() => false); // the server does not answer
  isAsking = false;
  if (hasMore || `${shownRun()} ${slider.value}` !== wanted) setTimeout(refresh, 50);
};

slider.addEventListener("input", () => {
  element.querySelector("output").textContent = `${slider.value} %`;
  refresh();
});
setInterval(refresh, SOON);
