(async () => {
  const dot = document.getElementById("dot");
  const text = document.getElementById("state");
  const show = (state, words) => { dot.className = state; text.textContent = words; };
  const look = async () => {
    try {
      // The endpoint checks the index and the models, which takes some seconds when they are down.
      const answer = await fetch("/api/light", { cache: "no-store", signal: AbortSignal.timeout(15000) });
      const { light } = answer.ok ? await answer.json() : {};
      if (light === "green") show("up", "Up and answering");
      else if (light === "amber") show("up", "Up, but slower than usual");
      else show("down", "Not answering right now");
    } catch {
      show("down", "Not answering right now");
    }
  };
  await look();
  setInterval(() => { if (!document.hidden) look(); }, 20000);
})();
