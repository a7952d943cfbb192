// Clips, a store and a server for the tests: everything through the real program.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const built = resolve(root, process.env.SEAMLINE_TARGET ?? "target/debug");
export const seamline = join(built, "seamline");
const readings = "/usr/share/pocketsphinx/test/data/librivox";
const reading = (n) => `${readings}/sense_and_sensibility_01_austen_64kb-${n}.wav`;
const environment = { ...process.env, SEAMLINE_HOME: root };

const run = (program, args, options = {}) =>
  execFileSync(program, args, { env: environment, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28, ...options });
const ffmpeg = (...args) => run("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args]);
const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"];

/** A folder with clips that may be made anywhere: two cuts of one recording, two of another; and two more of the first to upload. */
function clips(folder) {
  mkdirSync(join(folder, "clips"));
  const clip = (name) => join(folder, "clips", name);
  const face = run(join(built, "examples/draw_face"), ["200"]);
  const raw = join(folder, "face.rgb");
  writeFileSync(raw, face);
  const drawn = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "640x480", "-r", "25", "-i", raw];
  const background = ["-f", "lavfi", "-i", "gradients=s=640x480:r=25:n=6:speed=0.02:seed=7"];
  ffmpeg(...drawn, ...background, "-i", reading("0870"), "-filter_complex", "[1:v][0:v]blend=all_mode=average[v]",
    "-map", "[v]", "-map", "2:a", ...x264, clip("speech.mp4"));
  ffmpeg("-i", clip("speech.mp4"), "-vf", "hflip", "-crf", "28", ...x264, clip("speech-mirrored.mp4"));
  ffmpeg("-f", "lavfi", "-i", "mandelbrot=s=480x270:r=25", "-i", reading("0890"), "-t", "8", ...x264, clip("other.mp4"));
  ffmpeg("-i", clip("other.mp4"), "-crf", "30", ...x264, clip("other-again.mp4"));
  const upload = join(folder, "handed-in.mp4");
  ffmpeg("-ss", "1", "-i", clip("speech.mp4"), "-crf", "26", ...x264, upload);
  const second = join(folder, "handed-in-turned.mp4");
  ffmpeg("-ss", "2", "-i", clip("speech.mp4"), "-vf", "hflip", "-crf", "30", ...x264, second);
  rmSync(raw);
  const sightings = ["speech", "speech-mirrored", "other", "other-again"].map((name, n) =>
    JSON.stringify({ path: clip(`${name}.mp4`), channel: `@invented_${n % 2 ? "daily" : "front"}`,
      url: `https://example.org/${n}`, seen_at: `2026-11-0${n + 1}T10:00:00Z` }));
  writeFileSync(join(folder, "sightings.ndjson"), sightings.join("\n") + "\n");
  return [upload, second];
}

/** What every test looks at. */
export class Place {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "seamline-browser-"));
    this.store = join(this.folder, "s.db");
    [this.upload, this.second] = clips(this.folder);
    this.servers = [];
    // 1 says that a clip could not be judged, which these need not be.
    try {
      run(seamline, ["scan", join(this.folder, "clips"), "--quiet", "--detectors", "voice-whisper", "--store", this.store,
        "--sightings", join(this.folder, "sightings.ndjson")]);
    } catch (e) {
      if (e.status !== 1) throw e;
    }
  }

  /** Starts a server, on the store of the clips or a new one; its address. */
  async serve(more = [], store = "s.db") {
    const args = ["serve", "--store", join(this.folder, store), "--listen", "127.0.0.1:0", "--detectors", "voice-whisper", "-w", "1", ...more];
    const server = spawn(seamline, args, { env: environment, stdio: ["ignore", "ignore", "pipe"] });
    this.servers.push(server);
    return await new Promise((found, lost) => {
      let said = "";
      server.stderr.on("data", (data) => {
        said += data;
        const address = said.match(/listening on (http:\/\/\S+)/);
        if (address) found(address[1]);
      });
      server.on("exit", (code) => lost(new Error(`serve ended with ${code}: ${said}`)));
    });
  }

  /** A recording of 70 MiB: silence. */
  large() {
    const path = join(this.folder, "large.wav");
    const file = Buffer.alloc(70 * 2 ** 20);
    const head = Buffer.from("RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data....", "latin1");
    head.writeUInt32LE(file.length - 8, 4);
    head.writeUInt32LE(file.length - 44, 40);
    head.copy(file);
    writeFileSync(path, file);
    return path;
  }

  /** A token that its holder may do `role` with; its id and secret. */
  token(role) {
    const said = this.tokens("create", "--role", role, `a ${role}`);
    const secret = said.match(/\bseamline_[0-9a-f]{64}/)?.[0];
    if (!secret) throw new Error(`no secret in: ${said}`);
    return secret;
  }

  tokens(...args) {
    return run(seamline, ["tokens", ...args, "--store", this.store]).toString();
  }

  close() {
    for (const server of this.servers) server.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The browser: Debian's, or the one that CHROMIUM names. */
export function chromium() {
  const known = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"];
  return known.find((path) => path && existsSync(path));
}
