// The strip of the visitor's runs: one small request for all of them, and only while somebody looks.
const SOON = 2500; // milliseconds, while a run is being made or waits
const LATER = 20_000; // otherwise: another tab may start one
let version = "";
let timer = 0;
let isAsking = false;
let isChanged = false; // while it was asking

const ask = async () => {
  const answer = await fetch("gradio_api/run/strip", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ data: [longtake.known().slice(0, 60), version] }),
  });
  if (!answer.ok) return false;
  const [strip] = (await answer.json()).data;
  // A question that is open stays as it is.
  if (strip.html !== undefined && !element.querySelector(".asking")) {
    draw(strip.html);
    version = strip.version;
  }
  return strip.is_live;
};

const draw = (html) => {
  const list = element.querySelector(".strip");
  const position = list.querySelector("ol")?.scrollLeft ?? 0;
  const { action, ask: asked, run, open } = document.activeElement?.dataset ?? {};
  const hadFocus = list.contains(document.activeElement);
  list.innerHTML = html;
  if (list.firstElementChild) list.firstElementChild.scrollLeft = position;
  mark();
  if (!hadFocus) return;
  const kept = asked ? `[data-ask="${asked}"]` : `[data-action="${action}"]`;
  const cell = list.querySelector(`[data-cell="${run ?? open}"]`) ?? list.querySelector("li");
  (cell?.querySelector(run ? kept : "a") ?? cell?.querySelector("a"))?.focus();
};

// The run in the player; a strip with this one alone says nothing new.
const mark = () => {
  const shown = new URLSearchParams(window.location.search).get("run");
  const cells = [...element.querySelectorAll("[data-cell]")];
  for (const cell of cells) {
    const link = cell.querySelector("a");
    if (cell.dataset.cell === shown) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  element.classList.toggle("empty", cells.every((cell) => cell.dataset.cell === shown));
};

const refresh = async () => {
  clearTimeout(timer);
  if (document.hidden) return; // until somebody looks
  if (isAsking) {
    isChanged = true;
    return;
  }
  isAsking = true;
  const isLive = await ask().catch(() => false); // the server does not answer
  isAsking = false;
  if (isChanged) {
    isChanged = false;
    refresh();
  } else {
    timer = setTimeout(refresh, isLive ? SOON : LATER);
  }
};

element.addEventListener("click", (event) => {
  const link = event.target.closest("[data-open]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger("select", { index: link.dataset.open, value: null });
});
document.addEventListener("visibilitychange", refresh);
document.addEventListener("longtake:runs", () => {
  mark();
  refresh();
});
refresh();
