// Both pages in a real browser: a study travels and its columns are ticked; every action in Urdu in
// three clicks at most; axe-core finds nothing; it works without JavaScript; nothing is loaded from
// elsewhere. KAREZ_SHOTS=DIR keeps screenshots.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { image, run, start } from "./daemons.js";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const CHROMIUM = process.env.KAREZ_CHROMIUM ?? "/usr/bin/chromium";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.KAREZ_SHOTS;
const work = mkdtempSync(join(tmpdir(), "karez-pages-"));
const [clinicData, hubData] = [join(work, "clinic"), join(work, "hub")];

const freePort = () => new Promise((found) => {
  const server = createServer().listen(0, "127.0.0.1", () => { const { port } = server.address(); server.close(() => found(port)); });
});

/// A page that counts what it loads and from where.
async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 720 }, ...options });
  const page = await context.newPage();
  const sizes = [];
  page.weight = async () => (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  page.on("request", (request) => assert.equal(new URL(request.url()).hostname, "127.0.0.1", "only our own files are loaded"));
  page.on("response", (response) => {
    if (!response.url().includes("/events")) sizes.push(response.body().then((body) => body.length, () => 0));
  });
  page.on("pageerror", (error) => assert.fail(`the page's script failed: ${error}`));
  return page;
}

async function logIn(page, name, password) {
  await page.click("#login");
  await page.fill("[name=name]", name);
  await page.fill("[name=password]", password);
  await page.click("#go");
  await page.waitForSelector("#logout");
}

/// Clicks one after the other; at most three make an action.
async function clicks(page, what, ...selectors) {
  assert.ok(selectors.length <= 3, `${what} takes ${selectors.length} clicks`);
  assert.equal(await page.getAttribute("html", "lang"), "ur");
  for (const selector of selectors) await page.click(selector);
  const said = await page.textContent(".said");
  assert.match(said, /ہو گیا/, `${what}: ${said}`);
  console.log(`  ${what}: ${selectors.length} clicks`);
}

async function checkAccess(page, what) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document));
  const found = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => n.html).join("\n")}`);
  assert.deepEqual(found, [], `axe-core on ${what}`);
  assert.ok(passes.length > 15, "axe-core has looked");
  console.log(`  axe-core: 0 violations on ${what} (${passes.length} rules passed)`);
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
}

const row = (page, study) => page.locator(`#s-${study}`);
const lamps = async (page, study) => (await row(page, study).locator("td.lamp b").allTextContents()).join("");
const until = async (what, done) => {
  const late = Date.now() + 60_000;
  for (;;) {
    if (await done()) return;
    assert.ok(Date.now() < late, what);
    await new Promise((r) => setTimeout(r, 200));
  }
};

async function travels(page, study) {
  const seen = new Set();
  await until("the study is stored", async () => {
    if (await row(page, study).count()) seen.add(await lamps(page, study));
    return seen.has("✓✓✓");
  });
  console.log(`  columns: ${[...seen].join("  ")}`);
  assert.ok([...seen].some((l) => /^✓[○◐]○$/.test(l)), "the columns were empty before");
}

async function main(browser, stops) {
  run("karez-receiver", hubData, ["init", "--name", "Quetta", "--listen", "127.0.0.1:0", "--handoff", `folder:${join(work, "archive")}`]);
  run("karez-receiver", hubData, ["user", "add", "bilal", "--role", "admin"], "quetta-2026\n");
  const hubPort = await freePort();
  const hub = await start("karez-receiver", hubData, { "page.listen": "127.0.0.1:0", "hub.listen": `127.0.0.1:${hubPort}` });
  stops.push(hub.stop);
  const invitation = run("karez-receiver", hubData, ["invite", "Dalbandin", "--address", `127.0.0.1:${hubPort}`]);
  run("karez-sender", clinicData, ["join", invitation]);
  run("karez-sender", clinicData, ["user", "add", "amna"], "chagai-2026\n");
  const scannerPort = await freePort();
  const clinic = await start("karez-sender", clinicData, {
    "page.listen": "127.0.0.1:0", "page.place": "Quetta", "page.price_per_gb": 300, "link.rate_max": "300 kbit/s",
    "dicom.listen": `127.0.0.1:${scannerPort}`, "link.utc_offset": "+05:00", "study.quiet": "1 s",
  });
  stops.push(clinic.stop);
  const send = (path) => run("karez-sender", clinicData, ["send", path]);
  const status = () => JSON.parse(run("karez-sender", clinicData, ["status", "--json"]));

  const page = await open(browser);
  await page.goto(clinic.page);
  await page.waitForSelector("text=Safe to switch off");
  await checkAccess(page, "the empty page");
  await page.click("text=اردو");
  await logIn(page, "amna", "chagai-2026");

  console.log("a study travels");
  const made = { name: "BIBI^AMNA", study: "2.25.1001", instance: "2.25.1001.1", modality: "CT", side: 620 };
  send(image(join(work, "in"), made));
  const [{ study }] = status().studies;
  await page.waitForSelector(`#s-${study}`);
  await clicks(page, "make urgent", `#s-${study}-urgent`);
  await shot(page, "clinic-urdu");
  assert.ok(!(await page.content()).includes("BIBI"), "no name before it is asked for");
  await page.click("#names");
  await page.waitForSelector("text=BIBI AMNA");
  await travels(page, study);

  console.log("every action in Urdu");
  const scan = image(join(work, "scan"), { ...made, name: "KHAN^BILAL", study: "2.25.1002", instance: "2.25.1002.1", modality: "CR", side: 700 });
  const scanner = () => spawnSync("storescu", ["-aet", "CT01", "-aec", "KAREZ", "-R", "-xe", "127.0.0.1", String(scannerPort), scan]).status;
  scanner();
  await page.waitForSelector("#need0-allow");
  await clicks(page, "allow scanner", "#need0-allow");
  assert.equal(scanner(), 0, "the scanner may send now");
  await page.waitForSelector("text=CT01");
  await clicks(page, "pause", "#all-pause");
  await clicks(page, "go on", "#all-resume");
  const second = status().studies.find((s) => s.scanner === "CT01").study;
  await clicks(page, "take back", `#s-${second}-withdraw`, "#go");
  await until("it is taken back", () => status().studies.some((s) => s.study === second && s.withdrawn));

  console.log("the page itself");
  await page.setViewportSize({ width: 360, height: 740 });
  await checkAccess(page, "the clinic's page in Urdu on a phone");
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} pixels too wide for a phone`);
  await shot(page, "clinic-phone");
  await page.setViewportSize({ width: 1000, height: 720 });
  await page.emulateMedia({ colorScheme: "dark" });
  await checkAccess(page, "the clinic's page in the dark");
  await shot(page, "clinic-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(`${clinic.page}language/en`);
  await checkAccess(page, "the clinic's page in English");
  await shot(page, "clinic-english");
  const fresh = await open(browser);
  await fresh.goto(clinic.page, { waitUntil: "load" });
  const weight = await fresh.weight();
  console.log(`  weight: ${weight} bytes`);
  assert.ok(weight > 5000 && weight < 100_000);
  const text = (await page.textContent("body")).toLowerCase();
  for (const word of ["spool", "hand-off", "receipt", "parked", "committed"]) assert.ok(!text.includes(word), word);
  await page.focus("#names");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Show names");
  console.log("  a button by keyboard alone");

  await dashboard(browser, hub, { made, send, stops });
  await withoutScript(browser, clinic, () => send(image(join(work, "in"), { ...made, study: "2.25.1003", instance: "2.25.1003.1", side: 900 })), status);
}

/// The hub's dashboard: what needs a person is decided in Urdu.
async function dashboard(browser, hub, { made, send, stops }) {
  console.log("the dashboard");
  const page = await open(browser);
  await page.goto(`${hub.page}language/ur`);
  await logIn(page, "bilal", "quetta-2026");
  await page.waitForSelector("text=Dalbandin");
  // An archive that refuses what is of a maker's own class.
  const port = await freePort();
  const archive = spawn("storescp", ["--output-directory", mkdtempSync(join(work, "pacs-")), String(port)], { stdio: "ignore" });
  stops.push(() => archive.kill());
  run("karez-receiver", hubData, ["target", "add", "pacs", `dicom://ARCHIVE@127.0.0.1:${port}?find=no`]);
  send(image(join(work, "other"), { ...made, study: "2.25.1004", instance: "2.25.1004.1", side: 200, sop: "1.2.3.4.5" }));
  const parked = () => JSON.parse(run("karez-receiver", hubData, ["parked", "list", "--json"])).length;
  await until("what is refused needs a person", () => parked() === 1);
  await page.waitForSelector("button[id$=-retry]");
  await shot(page, "hub-urdu");
  await checkAccess(page, "the dashboard in Urdu");
  await clicks(page, "try again", "button[id$=-retry]");
  await until("it is parked again", () => parked() === 1);
  await page.waitForSelector("a[id$=-discard]");
  await clicks(page, "give up", "a[id$=-discard]", "#go");
  await until("it is resolved", () => parked() === 0);
  await page.goto(`${hub.page}language/en`);
  await checkAccess(page, "the dashboard in English");
  await shot(page, "hub-english");
}

/// Forms and a page that fetches itself anew do all that the script does.
async function withoutScript(browser, clinic, send, status) {
  console.log("without JavaScript");
  const page = await open(browser, { javaScriptEnabled: false });
  await page.goto(clinic.page);
  assert.match(await page.content(), /http-equiv="refresh"/);
  await logIn(page, "amna", "chagai-2026");
  send();
  const { study } = status().studies.find((s) => s.receipt === "none" && !s.withdrawn && s.parked === 0);
  await page.reload();
  await page.click(`#s-${study}-stat`);
  assert.equal(status().studies.find((s) => s.study === study).priority, "stat");
  await page.click(`#s-${study}-withdraw`);
  await page.click("#go");
  await until("it is taken back", () => status().studies.some((s) => s.study === study && s.withdrawn));
  console.log("  log in, emergency, take back");
}

const began = Date.now();
const stops = [];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  await main(browser, stops);
  console.log(`pages: all well, ${Math.round((Date.now() - began) / 1000)} s`);
} finally {
  await browser.close();
  for (const stop of stops.reverse()) await stop();
  rmSync(work, { recursive: true, force: true });
}
