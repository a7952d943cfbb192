// The application as people use it: Debian's Chromium, the real server, real clips.
// SCREENSHOTS=folder keeps a picture of each page at two widths.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium as browserType } from "playwright-core";
import { Place, chromium } from "./place.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const executablePath = chromium();
const skip = executablePath ? false : "no Chromium here; install it or name it in CHROMIUM";
const wide = { width: 1100, height: 900 };
const phone = { width: 390, height: 844 };
let place, browser, home;
/** Addresses that pages asked for and that are not the server's own. */
const elsewhere = [];

before(async () => {
  if (skip) return;
  place = new Place();
  home = await place.serve();
  // Containers that run as root have no user namespaces for Chromium's own sandbox.
  browser = await browserType.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
});
after(async () => {
  await browser?.close();
  place?.close();
});

/** A page of a new visitor; every request that it makes is looked at. */
async function visitor(origin = home, options = {}) {
  const context = await browser.newContext({ viewport: wide, baseURL: origin, ...options });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.on("request", (r) => {
    if (!r.url().startsWith(`${origin}/`) && !r.url().startsWith("data:")) elsewhere.push(r.url());
  });
  page.on("pageerror", (e) => assert.fail(`a script failed: ${e.message}`));
  return page;
}

/** What axe-core finds of serious kind in either colour scheme and at either width. */
async function faults(page) {
  const found = [];
  for (const viewport of [wide, phone]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      // Through the debugging port: the page's own policy lets nobody else's script in.
      const results = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ["violations"] })`);
      for (const v of results.violations.filter((v) => ["serious", "critical"].includes(v.impact))) {
        found.push(`${colorScheme} ${viewport.width}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`);
      }
      const over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      if (over > 0) found.push(`${viewport.width}: ${over} px wider than the window`);
    }
  }
  await page.setViewportSize(wide);
  await page.emulateMedia({ colorScheme: "light" });
  return found;
}

/** Loads the page again until it shows this, for half a minute: what a clip shares is found out after its verdict. */
async function reloadUntil(page, shown) {
  for (let tries = 0; tries < 60 && !(await shown.count()); tries++) {
    await page.waitForTimeout(500);
    await page.reload();
  }
}

async function looked(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (folder) {
    mkdirSync(folder, { recursive: true });
    for (const viewport of [wide, phone]) {
      await page.setViewportSize(viewport);
      await page.evaluate("scrollTo(0, 0)");
      await page.screenshot({ path: join(folder, `${name}-${viewport.width}.png`), fullPage: viewport === phone });
    }
    await page.setViewportSize(wide);
  }
  assert.deepEqual(await faults(page), [], `${name}: ${page.url()}`);
}

test("a clip goes in, its verdict comes out, and the timeline moves the player", { skip }, async () => {
  const page = await visitor();
  await page.goto("/");
  await looked(page, "home");
  await page.setInputFiles("#file", place.upload);
  await page.click("#upload button");
  // The job's page follows it, and gives way to the verdict.
  await page.waitForURL(/\/clips\/[0-9a-f]{64}$/);
  await page.waitForFunction("document.getElementById('player').readyState >= 1");
  const bars = page.locator(".timeline g[data-from]");
  assert.ok((await bars.count()) > 0, "speech was found");
  const later = await bars.evaluateAll((all) => all.findIndex((b) => Number(b.dataset.from) > 0.5));
  const bar = bars.nth(Math.max(later, 0));
  const from = Number(await bar.getAttribute("data-from"));
  await page.evaluate("document.getElementById('player').currentTime = 7");
  await bar.click();
  await page.waitForFunction((t) => Math.abs(document.getElementById("player").currentTime - t) < 0.2, from);
  // The same by keyboard alone.
  await page.evaluate("document.getElementById('player').currentTime = 7");
  await bar.focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction((t) => Math.abs(document.getElementById("player").currentTime - t) < 0.2, from);
  await looked(page, "verdict");
  // The face is framed where it was found, and the frame lies on the picture.
  await page.waitForFunction("document.querySelector('#face-frames rect')?.getAttribute('width') > 0");
  const [frame, picture] = [await page.locator("#face-frames rect").first().boundingBox(), await page.locator("#player").boundingBox()];
  assert.ok(frame.x >= picture.x && frame.x + frame.width <= picture.x + picture.width, JSON.stringify([frame, picture]));
  assert.ok(frame.y >= picture.y && frame.y + frame.height <= picture.y + picture.height, JSON.stringify([frame, picture]));
  await page.uncheck("#faces-shown");
  assert.ok(await page.locator("#face-frames").isHidden());
  // It is a cut of what the store holds: the page says with what it shares pictures.
  const shared = page.locator("#shared + ul");
  await reloadUntil(page, shared);
  assert.match(await shared.innerText(), /speech/);
});

test("two cuts of one recording stand side by side and play from what they share", { skip }, async () => {
  const page = await visitor();
  await page.goto("/");
  await page.setInputFiles("#file", place.second);
  await page.click("#upload button");
  await page.waitForURL(/\/clips\/[0-9a-f]{64}$/);
  const other = page.locator("#shared + ul li", { hasText: "handed-in.mp4" }).first();
  await reloadUntil(page, other);
  await other.locator('a[href*="/beside/"]').click();
  await page.waitForURL(/\/beside\//);
  await page.waitForFunction("[0, 1].every((n) => document.getElementById('player-' + n)?.readyState >= 1)");
  const stretch = page.locator("[data-left]").first();
  const [left, right] = await stretch.evaluate((e) => [Number(e.dataset.left), Number(e.dataset.right)]);
  // The second cut begins a second later in the recording.
  assert.ok(Math.abs(right - left - 1) < 0.3, `${left} and ${right}`);
  await stretch.locator("button").click();
  await page.waitForFunction(([l, r]) => [l, r].every((t, n) => {
    const player = document.getElementById("player-" + n);
    return !player.paused && player.currentTime >= t && player.currentTime < t + 4;
  }), [left, right]);
  await page.evaluate("document.querySelectorAll('video').forEach((v) => v.pause())");
  await looked(page, "beside");
});

test("who waits sees where the clip stands", { skip }, async () => {
  const page = await visitor(await place.serve(["--no-work"], "waiting.db"));
  await page.goto("/");
  await page.setInputFiles("#file", place.upload);
  await page.click("#upload button");
  await page.waitForURL(/\/jobs\//);
  await looked(page, "job");
  await page.goto("/");
  assert.equal(await page.locator("#queue tbody tr").count(), 1);
  await looked(page, "queue");
});

test("a large clip comes in pieces, over a line that breaks", { skip }, async () => {
  const page = await visitor(await place.serve(["--no-work"], "pieces.db"));
  const pieces = [];
  await page.route("**/v1/uploads/*", (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    pieces.push(route.request().headers()["upload-offset"]);
    return pieces.length === 3 ? route.abort("connectionreset") : route.continue();
  });
  await page.goto("/");
  await page.setInputFiles("#file", place.large());
  await page.evaluate("document.querySelectorAll('#upload details').forEach((d) => { d.open = true; })");
  await page.fill('#upload textarea[name="claim"]', "filmed on 4 May, für alle");
  await page.click("#upload button");
  await page.waitForURL(/\/jobs\//);
  const piece = 16 * 2 ** 20;
  assert.deepEqual(pieces.map(Number), [0, piece, 2 * piece, 2 * piece, 3 * piece, 4 * piece], "the third is sent twice");
  assert.match(await page.locator("main").innerText(), /large\.wav/);
});

test("clips are found by name, conclusion and hash", { skip }, async () => {
  const page = await visitor();
  await page.goto("/clips");
  await looked(page, "clips");
  await page.fill('input[name="q"]', "mirrored");
  await page.click('form[role="search"] button');
  assert.deepEqual(await page.locator("tbody tr").count(), 1);
  const hash = (await page.locator("tbody a").first().getAttribute("href")).split("/").pop();
  await page.fill('input[name="q"]', hash);
  await page.click('form[role="search"] button');
  assert.match(await page.locator("tbody").innerText(), /speech-mirrored/);
  await page.fill('input[name="q"]', "nothing of that name");
  await page.click('form[role="search"] button');
  assert.equal(await page.locator("tbody tr").count(), 0);
});

test("campaigns are merged, named and confirmed by a person", { skip }, async () => {
  const page = await visitor();
  await page.goto("/campaigns");
  await looked(page, "campaigns");
  const boxes = page.locator('input[name="id"]');
  assert.equal(await boxes.count(), 2, "two recordings, two campaigns");
  for (const n of [0, 1]) await boxes.nth(n).check();
  await page.click("main form button");
  await page.waitForFunction("document.querySelectorAll('input[name=\"id\"]').length === 1");
  await page.click("tbody a");
  await page.waitForURL(/\/campaigns\/\d+/);
  await page.fill('input[name="name"]', "Invented campaign");
  await page.click('form[action$="/name"] button');
  await page.getByRole("heading", { level: 1, name: "Invented campaign" }).waitFor();
  await page.click('form[action$="/confirm"] button');
  await page.waitForFunction("!document.querySelector('form[action$=\"/confirm\"]')");
  assert.match(await page.locator("#decisions + ul").innerText(), /belong together/);
  await looked(page, "campaign");
});

test("a revoked token opens nothing", { skip }, async () => {
  const secret = place.token("read");
  const origin = await place.serve(["--tokens"]);
  const page = await visitor(origin);
  await page.goto("/clips");
  await page.waitForURL(/\/login/);
  await looked(page, "login");
  await page.fill('input[name="token"]', secret);
  await page.click("main button");
  await page.goto("/clips");
  assert.equal(await page.locator('a[href="/campaigns"]').count(), 1);
  assert.equal(await page.locator("#upload").count(), 0, "who may read may not hand in");
  const id = place.tokens("list").match(/^ *(\d+) +read/m)[1];
  place.tokens("revoke", id);
  await page.goto("/clips");
  await page.waitForURL(/\/login/);
});

test("without any script a clip can be handed in and everything be read", { skip }, async () => {
  const page = await visitor(home, { javaScriptEnabled: false });
  await page.goto("/");
  await page.setInputFiles("#file", place.upload);
  await page.click("#upload button");
  await page.waitForURL(/\/(jobs|clips)\//);
  for (const path of ["/clips", "/campaigns"]) {
    await page.goto(path);
    await page.locator("tbody a").first().click();
    assert.ok((await page.locator("main h1, main .heading").count()) > 0, path);
  }
});

test("the page speaks the language that was chosen, and remembers it", { skip }, async () => {
  const page = await visitor();
  await page.goto("/?lang=uk");
  assert.equal(await page.getAttribute("html", "lang"), "uk");
  await page.goto("/clips");
  assert.equal(await page.getAttribute("html", "lang"), "uk");
  await page.goto("/clips?lang=de");
  assert.equal(await page.getAttribute("html", "lang"), "de");
});

test("everything can be reached by keyboard, beginning with the way past the menu", { skip }, async () => {
  const page = await visitor();
  await page.goto("/clips");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate("document.activeElement.getAttribute('href')"), "#main");
  const wanted = await page.locator("a[href], button, input:not([type=hidden]), select").count();
  const reached = new Set();
  // Parts of a date field are stops of their own.
  for (let n = 0; n < 3 * wanted && reached.size < wanted; n++) {
    reached.add(await page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"));
    await page.keyboard.press("Tab");
  }
  assert.ok(reached.size >= wanted, `${reached.size} of ${wanted}`);
});

test("no page asked anybody but the server for anything", { skip }, () => {
  assert.deepEqual(elsewhere, []);
});
