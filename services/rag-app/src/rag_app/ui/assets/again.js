// Ask again for a remembered answer; a question that is being answered goes first.
document.addEventListener("rd-again", (event) => {
  if (!document.querySelector("#rd-question .stop-button")) trigger("click", { exchange: event.detail });
});
