// Runs once for the examples; `element` and `trigger` come from gradio. A click on an example fills
// in the form; one that has a picture is made at once, see `makeExample` in page.js.
element.addEventListener("click", (event) => {
  const example = event.target.closest("[data-index]");
  if (!example) return;
  for (const other of element.querySelectorAll(".chosen")) other.classList.remove("chosen");
  example.classList.add("chosen");
  const { preset } = example.closest("[data-preset]").dataset;
  trigger("select", { index: Number(example.dataset.index), value: preset });
});
