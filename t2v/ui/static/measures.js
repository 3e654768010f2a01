// Runs once for the strip of measurements; `element` and `watch` come from gradio. Pointing at a
// column, or the arrow keys, show its numbers; the newest are shown otherwise.
let chosen = null; // the column that the keyboard has chosen; it survives the next chunk
let hadFocus = false;

const strip = () => element.querySelector(".columns");
const measured = () => [...element.querySelectorAll(".columns [data-text]")];
const show = (column) => {
  const readout = element.querySelector(".readout span");
  if (!readout) return;
  for (const other of element.querySelectorAll(".columns .chosen")) other.classList.remove("chosen");
  column?.classList.add("chosen");
  readout.textContent = column?.dataset.text ?? readout.dataset.default;
};
const choose = (index) => {
  const columns = measured();
  if (columns.length === 0) return;
  chosen = Math.min(Math.max(index, 0), columns.length - 1);
  const slider = strip();
  slider.setAttribute("aria-valuenow", String(chosen));
  slider.setAttribute("aria-valuetext", columns[chosen].dataset.text);
  show(columns[chosen]);
};

const MOVES = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
element.addEventListener("keydown", (event) => {
  if (!event.target.closest(".columns")) return;
  const last = measured().length - 1;
  if (event.key in MOVES) choose((chosen ?? last) + MOVES[event.key]);
  else if (event.key === "Home") choose(0);
  else if (event.key === "End") choose(last);
  else return;
  event.preventDefault();
});
element.addEventListener("pointerover", (event) => {
  if (event.target.closest(".columns")) show(event.target.closest("[data-text]"));
});
element.addEventListener("pointerdown", (event) => {
  const column = event.target.closest(".columns [data-text]");
  if (column) choose(measured().indexOf(column));
});
element.addEventListener("pointerleave", () => show(chosen === null ? null : measured()[chosen]));
element.addEventListener("focusin", () => {
  hadFocus = true;
  choose(chosen ?? measured().length - 1);
});
element.addEventListener("focusout", (event) => {
  if (!event.target.isConnected) return; // it was replaced, with a new chunk
  hadFocus = false;
  chosen = null;
  show(null);
});
watch("value", () => {
  if (!strip()) chosen = null;
  if (chosen !== null) choose(chosen); // the new columns are drawn without a choice
  if (hadFocus && document.activeElement === document.body) strip()?.focus({ preventScroll: true });
});
