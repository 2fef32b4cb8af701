// An answer that was remembered is asked for once more; a question that is being answered goes first.
document.addEventListener("rd-again", (event) => {
  if (!document.querySelector("#rd-question .stop-button")) trigger("click", { exchange: event.detail });
});
