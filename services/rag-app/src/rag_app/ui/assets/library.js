element.addEventListener("click", (event) => {
  const tag = event.target.closest("button[data-find]");
  if (tag) {
    const search = document.querySelector("#rd-search :is(input, textarea)");
    search.value = tag.dataset.find;
    search.dispatchEvent(new Event("input", { bubbles: true }));
    return;
  }
  const button = event.target.closest("button[data-action]");
  if (!button) return;
  const { action, name, tags: before } = button.dataset;
  if (action === "delete" && !window.confirm(`Delete ${name}? It leaves all answers at once.`)) return;
  const tags = action === "tag" ? window.prompt(`Tags of ${name}, with commas between them:`, before) : "";
  if (tags === null) return;
  button.disabled = true;
  // After a refusal the table, and so this button, may stay the same: enable it again.
  setTimeout(() => { button.disabled = false; }, 2000);
  trigger("click", { action, tags, document: button.closest("[data-document]").dataset.document });
});
