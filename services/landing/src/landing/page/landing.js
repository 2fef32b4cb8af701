(async () => {
  const dot = document.getElementById("dot");
  const text = document.getElementById("state");
  const show = (state, words) => { dot.className = state; text.textContent = words; };
  const look = async () => {
    try {
      const answer = await fetch("/api/health", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (answer.ok) show("up", "Up and answering");
      else show("down", "Not answering right now");
    } catch {
      show("down", "Not answering right now");
    }
  };
  await look();
  setInterval(() => { if (!document.hidden) look(); }, 20000);
})();
