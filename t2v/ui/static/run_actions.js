// Buttons of runs in a list; `element` and `trigger` come from gradio.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { action, ask, run } = button.dataset;
  const item = button.closest("li");
  if (ask) {
    item.classList.add("asking");
    item.querySelector(".question [data-action]").focus();
  } else if ("keep" in button.dataset) {
    item.classList.remove("asking");
    item.querySelector("[data-ask]").focus();
  } else if (action) {
    item.classList.remove("asking");
    trigger("apply", { action, run });
  }
});
element.addEventListener("keydown", (event) => {
  if (event.key === "Escape") event.target.closest(".asking")?.querySelector("[data-keep]").click();
});
