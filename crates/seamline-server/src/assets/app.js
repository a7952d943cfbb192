// What saves reloading; every page can be read without it. Talks to this server only.
"use strict";

const formToken = document.querySelector('meta[name="seamline-form"]')?.content ?? "";

// One file after the other to /v1/clips, with a bar each.
const form = document.getElementById("upload");
if (form) {
  const input = form.querySelector('input[type="file"]');
  const list = document.getElementById("uploads");
  const drop = form.querySelector(".drop");

  const said = () => [...form.querySelectorAll("input[name]:not([type=file]):not([type=hidden]), textarea[name]")]
    .filter((field) => field.value).map((field) => [field.name, field.value]);

  // Larger files go in pieces (tus 1.0): what has arrived stays, however often the line breaks.
  const LARGE = 64 * 2 ** 20;
  const PIECE = 16 * 2 ** 20;
  const wait = (seconds) => new Promise((r) => setTimeout(r, seconds * 1000));
  const inPieces = async (file, progress) => {
    const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
    const common = { "Tus-Resumable": "1.0.0", "X-Seamline-Form": formToken };
    const metadata = [["filename", file.name], ...said()].map(([name, value]) => `${name} ${base64(value)}`).join(",");
    const refused = async (answer) => {
      const problem = await answer.json().catch(() => null);
      throw new Error(problem?.detail || problem?.title || String(answer.status));
    };
    const begun = await fetch("/v1/uploads", {
      method: "POST", headers: { ...common, "Upload-Length": file.size, "Upload-Metadata": metadata },
    });
    if (begun.status !== 201) await refused(begun);
    const at = begun.headers.get("Location");
    for (let offset = 0, failures = 0; ;) {
      try {
        const sent = await fetch(at, {
          method: "PATCH",
          headers: { ...common, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" },
          body: file.slice(offset, offset + PIECE),
        });
        if ([400, 401, 403, 404, 413].includes(sent.status)) await refused(sent);
        if (sent.status === 204) {
          failures = 0;
          offset = Number(sent.headers.get("Upload-Offset"));
          progress(offset / file.size);
          const id = sent.headers.get("Seamline-Job");
          if (id) return { id };
          continue;
        }
      } catch (e) {
        if (!(e instanceof TypeError)) throw e; // TypeError: the line broke
      }
      if (++failures > 10) throw new Error("offline");
      await wait(Math.min(2 ** failures, 30));
      const now = await fetch(at, { method: "HEAD", headers: common }).catch(() => null);
      if (now?.ok) {
        const id = now.headers.get("Seamline-Job");
        if (id) return { id };
        offset = Number(now.headers.get("Upload-Offset"));
      }
    }
  };

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
    const ended = (answer, why) => {
      bar.remove();
      if (answer) {
        const link = document.createElement("a");
        link.href = "/jobs/" + answer.id;
        link.textContent = file.name;
        name.replaceWith(link);
      } else {
        const what = document.createElement("strong");
        what.textContent = why;
        item.append(what);
      }
      resolve(answer);
    };
    if (file.size > LARGE) {
      inPieces(file, (done) => { bar.value = done; }).then(ended, (e) => ended(null, e.message));
      return;
    }
    const data = new FormData();
    for (const [field, value] of said()) data.append(field, value);
    data.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/clips");
    request.setRequestHeader("X-Seamline-Form", formToken);
    request.responseType = "json";
    request.upload.onprogress = (e) => { if (e.lengthComputable) bar.value = e.loaded / e.total; };
    request.onloadend = () => {
      const answer = request.response;
      const taken = request.status === 200 || request.status === 202;
      ended(taken ? answer : null, answer?.detail || answer?.title || String(request.status || "offline"));
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

// Faces are framed where they were found, while the clip plays. Between two sightings the frame moves evenly.
const faces = document.getElementById("face-frames");
if (faces) {
  const shown = document.getElementById("faces-shown");
  shown?.addEventListener("change", () => { faces.toggleAttribute("hidden", !shown.checked); });
  const tracks = [...faces.querySelectorAll("g[data-seen]")].map((group) => {
    const seen = group.dataset.seen.split(";").map((at) => at.split(" ").map(Number));
    const steps = seen.slice(1).map((at, n) => at[0] - seen[n][0]).sort((a, b) => a - b);
    // How long a sighting holds by itself: half of the usual distance to the next, or a quarter of a second.
    return { group, seen, step: (steps[steps.length >> 1] ?? 0.5) };
  });
  const place = ({ seen, step }, now) => {
    const next = seen.findIndex((at) => at[0] > now);
    const before = seen[(next < 0 ? seen.length : next) - 1];
    const after = next < 0 ? undefined : seen[next];
    if (before && after && after[0] - before[0] < 3 * step) {
      const part = (now - before[0]) / (after[0] - before[0]);
      return before.map((v, n) => v + (after[n] - v) * part);
    }
    if (before && now - before[0] <= step / 2) return before;
    if (after && after[0] - now <= step / 2) return after;
    return null;
  };
  const draw = () => {
    for (const track of tracks) {
      const at = place(track, player.currentTime);
      track.group.style.display = at ? "" : "none";
      if (!at) continue;
      const [, x, y, w, h] = at;
      const [rect, text] = track.group.children;
      for (const [name, value] of Object.entries({ x, y, width: w, height: h })) rect.setAttribute(name, value);
      text.setAttribute("x", x);
      text.setAttribute("y", y - 4);
    }
  };
  if (player && tracks.length) {
    draw();
    for (const what of ["timeupdate", "seeked", "loadeddata"]) player.addEventListener(what, draw);
    const follow = () => { draw(); player.requestVideoFrameCallback?.(follow); };
    player.requestVideoFrameCallback?.(follow);
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
