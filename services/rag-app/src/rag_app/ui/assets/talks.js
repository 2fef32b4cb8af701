// The list of conversations: closed by default on a narrow screen.
const wide = matchMedia("(min-width: 60rem)");
const settle = () => {
  const list = element.querySelector("details");
  if (list) list.open = wide.matches;
};
watch("value", settle);
wide.addEventListener("change", settle);
const save = async (button) => {
  button.disabled = true;
  try {
    const answer = await fetch(`/api/conversations/${encodeURIComponent(button.dataset.talk)}/export`);
    if (!answer.ok) return window.alert(`Not exported: ${(await answer.json()).error.message}`);
    const file = new Blob([await answer.text()], { type: "text/markdown" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "conversation.md";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } finally {
    button.disabled = false;
  }
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-action]");
  if (!button) return;
  const action = button.dataset.action;
  if (action === "export") return save(button);
  const row = button.closest("[data-talk]");
  if (action === "delete" && !window.confirm(`Delete “${row.querySelector("b").textContent}” and its answers?`)) return;
  trigger("click", { action, talk: row?.dataset.talk ?? "" });
});
