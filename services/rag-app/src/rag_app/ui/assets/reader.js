// The panel shows the cited passage. A citation in the chat sends the event "rd-read".
const body = document.body;
let back = null;
let passage = "";
const ask = (detail) => {
  body.classList.add("rd-reading");
  element.setAttribute("aria-busy", "true");
  trigger("click", detail);
};
const close = () => {
  body.classList.remove("rd-reading");
  back?.focus();
  back = null;
};
document.addEventListener("rd-read", (event) => {
  back = document.activeElement;
  passage = event.detail.passage;
  ask(event.detail);
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.hasAttribute("data-close")) return close();
  if (button.dataset.page && !button.disabled) {
    const page = Number(button.dataset.page);
    ask({ document: button.closest("[data-document]").dataset.document, first: page, last: page, passage });
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && body.classList.contains("rd-reading")) close();
});
watch("value", () => {
  element.setAttribute("aria-busy", "false");
  const cited = element.querySelector("#rd-cited");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (cited) cited.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  (cited ?? element.querySelector("[data-close]"))?.focus({ preventScroll: true });
});
