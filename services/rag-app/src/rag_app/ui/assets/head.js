(() => {
  // If a part of the page fails to load (the network changed, a new release was deployed), Gradio stays
  // at "Loading..." forever: reload the whole page, at most every 15 seconds.
  const tried = "ragdock-reloaded";
  let reloading = false;
  const startOver = () => {
    if (reloading || Date.now() - Number(sessionStorage.getItem(tried)) < 15000) return;
    reloading = true;
    sessionStorage.setItem(tried, String(Date.now()));
    setTimeout(() => location.reload(), 700);
  };
  const isPart = (node) =>
    node instanceof HTMLScriptElement ||
    (node instanceof HTMLLinkElement && /stylesheet|modulepreload/.test(node.rel));
  addEventListener("error", (event) => { if (isPart(event.target)) startOver(); }, true);
  addEventListener("unhandledrejection", (event) => {
    if (/imported module|preload CSS|module script/i.test(String(event.reason))) startOver();
  });
})();
