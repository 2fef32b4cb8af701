// Each file is sent in its own request to the public API, so each has its own progress, its own error
// and its own retries. Nothing waits forever: a file that makes no progress is retried, then reported.
const AT_ONCE = 3;
const TRIES = 3;
const TURNS = 60;
const SILENCE_MS = 60000;
const SHOWN = 40;
const zone = element.querySelector(".rd-dropzone");
const input = element.querySelector("input");
const said = element.querySelector("#rd-outcome");
const list = element.querySelector("ul");
let jobs = [];

const make = (tag, words, cls) => {
  const node = document.createElement(tag);
  if (words) node.textContent = words;
  if (cls) node.className = cls;
  return node;
};
const count = (state) => jobs.filter((job) => job.state === state).length;
const files = (number) => `${number} file${number === 1 ? "" : "s"}`;

const row = (job) => {
  const line = make("li");
  line.dataset.sending = job.state;
  line.append(make("b", job.file.name, "rd-name"));
  if (job.state === "sending") {
    const bar = make("progress");
    bar.max = 100;
    bar.value = job.percent;
    bar.setAttribute("aria-label", `${job.file.name} sent`);
    line.append(bar, make("span", job.percent < 100 ? `${job.percent} %` : "being stored…", "rd-facts"));
  }
  if (job.state === "failed") {
    const again = make("button", "Try again");
    again.type = "button";
    again.addEventListener("click", () => { Object.assign(job, { state: "waiting", tries: 0, turns: 0 }); next(); });
    line.append(make("span", job.reason, "rd-reason"));
    if (job.again) line.append(again);
  }
  return line;
};
const show = () => {
  const taken = count("taken");
  const failed = count("failed");
  const left = jobs.length - taken - failed;
  const words = [];
  if (taken) words.push(`${files(taken)} taken. Each is ready when its row says so.`);
  if (left) words.push(`${files(left)} on the way.`);
  if (failed) words.push(`${files(failed)} not taken:`);
  said.hidden = !jobs.length;
  said.classList.toggle("rd-warn", failed > 0);
  said.textContent = words.join(" ");
  const open = jobs.filter((job) => job.state === "sending" || job.state === "failed");
  list.replaceChildren(...open.slice(0, SHOWN).map(row));
};
const fail = (job, reason, again) => Object.assign(job, { state: "failed", reason, again });

// The server is receiving its maximum of uploads: wait for a slot, without counting a failed try.
const busy = (job, seconds) => {
  Object.assign(job, { state: "pausing", turns: (job.turns ?? 0) + 1 });
  setTimeout(() => { job.state = "waiting"; next(); }, 1000 * seconds);
  next();
};
const later = (job, reason) => {
  job.tries += 1;
  if (job.tries >= TRIES) fail(job, reason, true);
  else Object.assign(job, { state: "pausing" }), setTimeout(() => { job.state = "waiting"; next(); }, 2000 * job.tries);
  next();
};
const send = (job) => {
  Object.assign(job, { state: "sending", percent: 0 });
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append("file", job.file, job.file.name);
  let heard = Date.now();
  const watchdog = setInterval(() => { if (Date.now() - heard > SILENCE_MS) request.abort(); }, 5000);
  request.upload.addEventListener("progress", (event) => {
    heard = Date.now();
    job.percent = event.total ? Math.floor((100 * event.loaded) / event.total) : 0;
    show();
  });
  request.addEventListener("loadend", () => {
    clearInterval(watchdog);
    if (request.status === 401) return location.assign("/login?next=/app/");
    if (request.status === 202) {
      job.state = "taken";
      return next();
    }
    let reason = "The connection was lost.";
    try { reason = JSON.parse(request.responseText).error.message; } catch { /* not from our app: sent by the edge, or no response */ }
    if (request.status >= 400 && request.status < 500) {
      fail(job, reason, false);
      return next();
    }
    const pause = Number(request.getResponseHeader("Retry-After"));
    if (request.status === 503 && pause && (job.turns ?? 0) < TURNS) return busy(job, pause);
    later(job, reason);
  });
  request.open("POST", `/api/documents${job.inFolder ? "?replace=false" : ""}`);
  request.send(form);
};
const next = () => {
  for (const job of jobs) {
    if (count("sending") >= AT_ONCE) break;
    if (job.state === "waiting") send(job);
  }
  show();
};
// Files in different folders may have the same name: such a file must not replace another.
const take = (chosen, inFolder = false) => {
  if (!jobs.some((job) => ["waiting", "pausing", "sending"].includes(job.state))) jobs = [];
  jobs.push(...[...chosen].map((file) => ({ file, inFolder, state: "waiting", tries: 0, percent: 0 })));
  next();
};
// A dropped folder stands for all files in it.
const filesOf = async (entry) => {
  if (entry.isFile) return [await new Promise((good, bad) => entry.file(good, bad))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((good, bad) => reader.readEntries(good, bad));
    if (!some.length) return found;
    for (const one of some) found.push(...(await filesOf(one)));
  }
};
input.addEventListener("change", () => { take(input.files); input.value = ""; });
for (const name of ["dragenter", "dragover"]) {
  zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("rd-over"); });
}
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("rd-over"));
zone.addEventListener("drop", async (event) => {
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return take(event.dataTransfer.files);
  for (const entry of entries) take(await filesOf(entry), entry.isDirectory);
});
addEventListener("beforeunload", (event) => {
  if (jobs.some((job) => ["waiting", "pausing", "sending"].includes(job.state))) event.preventDefault();
});
