// Asks again for a remembered answer, unless another question is being answered.
document.addEventListener("rd-again", (event) => {
  if (!document.querySelector("#rd-question .stop-button")) trigger("click", { exchange: event.detail });
});
