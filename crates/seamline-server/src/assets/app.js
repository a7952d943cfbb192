// What saves reloading; every page can be read without it. Talks to this server only.
"use strict";

const formToken = document.querySelector('meta[name="seamline-form"]')?.content ?? "";

// One file after the other to /v1/clips, with a bar each.
const form = document.getElementById("upload");
if (form) {
  const input = form.querySelector('input[type="file"]');
  const list = document.getElementById("uploads");
  const drop = form.querySelector(".drop");

  const send = (file) => new Promise((resolve) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = file.name;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    item.append(name, " ", bar);
    list.append(item);
    const data = new FormData();
    for (const field of form.querySelectorAll("input[name]:not([type=file]):not([type=hidden]), textarea[name]")) {
      if (field.value) data.append(field.name, field.value);
    }
    data.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/clips");
    request.setRequestHeader("X-Seamline-Form", formToken);
    request.responseType = "json";
    request.upload.onprogress = (e) => { if (e.lengthComputable) bar.value = e.loaded / e.total; };
    request.onloadend = () => {
      bar.remove();
      const answer = request.response;
      if (request.status === 200 || request.status === 202) {
        const link = document.createElement("a");
        link.href = "/jobs/" + answer.id;
        link.textContent = file.name;
        name.replaceWith(link);
        resolve(answer);
      } else {
        const what = document.createElement("strong");
        what.textContent = answer?.detail || answer?.title || String(request.status || "offline");
        item.append(what);
        resolve(null);
      }
    };
    request.send(data);
  });

  const sendAll = async (files) => {
    const jobs = [];
    for (const file of files) jobs.push(await send(file));
    input.value = "";
    if (jobs.length === 1 && jobs[0]) location.href = "/jobs/" + jobs[0].id;
  };

  form.addEventListener("submit", (e) => {
    e.preventDefault();
    sendAll([...input.files]);
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (e) => {
    e.preventDefault();
    drop.classList.remove("over");
    sendAll([...e.dataTransfer.files]);
  });
}

// The queue is fetched again while somebody looks at it.
const queue = document.getElementById("queue");
if (queue) {
  setInterval(async () => {
    if (document.hidden || queue.contains(document.activeElement)) return;
    try {
      const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
      const fresh = page.getElementById("queue");
      if (fresh) queue.replaceChildren(...fresh.childNodes);
    } catch { /* the server is away for a moment */ }
  }, 2000);
}

// A job is followed until it ends; then its page says how.
const job = document.querySelector("[data-follow]");
if (job) {
  const events = new EventSource(job.dataset.follow);
  events.addEventListener("job", (e) => {
    const now = JSON.parse(e.data);
    const bar = document.getElementById("progress");
    if (bar) bar.value = now.fraction;
    const stage = document.getElementById("stage");
    if (stage) stage.textContent = [now.stage, now.eta_secs === undefined ? "" : `${now.eta_secs} s`].filter(Boolean).join(", ");
    if (["done", "failed", "dead"].includes(now.state)) {
      events.close();
      location.reload();
    }
  });
}

// Bars of the timeline move the player.
const player = document.getElementById("player");
if (player) {
  for (const bar of document.querySelectorAll(".timeline g[data-from]")) {
    bar.setAttribute("tabindex", "0");
    bar.setAttribute("role", "button");
    // The name holds what is written on the bar too: people who speak to their computer say what they see.
    const title = bar.querySelector("title");
    if (title && bar.querySelector("text")) title.textContent += ", ";
    bar.setAttribute("aria-label", bar.textContent);
    bar.closest("svg")?.removeAttribute("role");
    const seek = () => { player.currentTime = Number(bar.dataset.from); player.scrollIntoView({ block: "nearest" }); };
    bar.addEventListener("click", seek);
    bar.addEventListener("keydown", (e) => {
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); seek(); }
    });
  }
}

// Two clips side by side play from a stretch that they share, each at its own speed.
const both = [0, 1].map((n) => document.getElementById("player-" + n));
if (both.every((p) => p && "play" in p)) {
  for (const stretch of document.querySelectorAll("[data-left]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = stretch.dataset.play;
    button.addEventListener("click", () => {
      both[0].currentTime = Number(stretch.dataset.left);
      both[1].currentTime = Number(stretch.dataset.right);
      both[1].playbackRate = Math.min(Math.max(Number(stretch.dataset.speed) || 1, 0.25), 4);
      both[1].muted = true;
      for (const player of both) player.play().catch(() => {});
    });
    stretch.append(button);
  }
}
