(() => {
  // If the session ended while the page was open, go to the login page instead of showing errors.
  const ask = window.fetch.bind(window);
  // The badge must not show a healthy state when the server no longer answers.
  const offline = (is) => document.body?.classList.toggle("rd-offline", is);
  window.fetch = async (...request) => {
    let response;
    try {
      response = await ask(...request);
    } catch (error) {
      if (error.name !== "AbortError") offline(true);
      throw error;
    }
    offline(response.status >= 502 && response.status <= 504);
    if (response.status === 401 && response.headers.has("x-ragdock-login")) {
      location.assign("/login?next=/app/");
    }
    return response;
  };
  // A citation mark opens the passage on its page beside the chat, and the source below the answer.
  const messageOf = (part) => part.closest(".message") ?? part.closest("[data-testid]") ?? document;
  const read = (source) => {
    const [id, first, last] = source.querySelector(".rd-open").value.split("/");
    const passage = source.querySelector("blockquote")?.innerText ?? "";
    const detail = { document: id, first, last, passage };
    document.dispatchEvent(new CustomEvent("rd-read", { detail }));
  };
  const cite = (mark) => {
    const source = messageOf(mark).querySelector(`details.rd-n${mark.value}`);
    if (!source) return;
    source.open = true;
    read(source);
  };
  const copy = async (button) => {
    const message = messageOf(button).cloneNode(true);
    const sources = [...message.querySelectorAll(".rd-source")].map(
      (one) => `[${one.querySelector(".rd-number").textContent}] ${one.querySelector(".rd-where").textContent}`,
    );
    for (const mark of message.querySelectorAll(".rd-cite")) mark.replaceWith(` [${mark.value}]`);
    for (const ours of message.querySelectorAll(".rd-sources,.rd-why,.rd-foot,.rd-note")) ours.remove();
    const prose = [...message.querySelectorAll("p,li,pre,h1,h2,h3,h4,td")].map((one) => one.textContent.trim());
    const words = [...(prose.length ? prose : [message.textContent.trim()]), ...sources].filter(Boolean);
    try {
      await navigator.clipboard.writeText(words.join("\n"));
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  const PARTS = "#rd-chat .message :is(p,li,blockquote,h1,h2,h3,h4,td,.rd-where,.rd-heading,.rd-also)";
  const SAID = '[data-testid="bot"][aria-label*="message"],[data-testid="user"][aria-label*="message"]';
  new MutationObserver(() => {
    // Each paragraph gets the text direction of its own script: Gradio's sanitiser drops the attribute.
    for (const part of document.querySelectorAll(`${PARTS}:not([dir])`)) part.dir = "auto";
    // Gradio's accessible name of a message is its raw text with tags; use its role instead.
    for (const said of document.querySelectorAll(SAID)) {
      said.setAttribute("aria-label", said.dataset.testid === "bot" ? "Answer" : "Question");
    }
    // Gradio gives the button beside a date field no accessible name.
    for (const button of document.querySelectorAll(".timebox .calendar:not([aria-label])")) {
      button.setAttribute("aria-label", "Choose a day");
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
  // Gradio reloads the page when the server is back: reopen the tab that the user was on.
  const place = "ragdock-tab";
  const before = sessionStorage.getItem(place);
  const returning = new MutationObserver(() => {
    const tab = document.querySelector(`button[role="tab"][data-tab-id="${before}"]`);
    if (!tab) return;
    returning.disconnect();
    setTimeout(() => tab.click(), 0);
  });
  if (/^[a-z]+$/.test(before ?? "")) returning.observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.('button[role="tab"][data-tab-id]');
    if (tab) sessionStorage.setItem(place, tab.dataset.tabId);
    const button = event.target.closest?.("button");
    if (button?.matches(".rd-cite")) cite(button);
    else if (button?.matches(".rd-open")) read(button.closest(".rd-source,.rd-quote"));
    else if (button?.matches(".rd-copy")) copy(button);
    // The filters open below the visible part of most windows.
    else if (button?.matches("#rd-filter .label-wrap")) setTimeout(() => button.parentElement.scrollIntoView({ block: "nearest" }), 100);
    else if (button?.matches(".rd-again")) document.dispatchEvent(new CustomEvent("rd-again", { detail: button.value }));
  });
})();
