// A person with a browser, in the steps that tests/http/page.rs promises. Usage:
//   node drive.mjs ADDRESS BROWSER FOLDER MILLISECONDS PORT
// Exits with an error at the first thing that is not as it should be. FOLDER gets the screenshots. The
// heap changes when PORT is connected to, and has when that connection ends.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { chromium } from "playwright-core";

const [address, executablePath, folder, limit, port] = process.argv.slice(2);
const origin = `http://${address}`;
const page_address = `${origin}/debug/pprof/ui`;

const browser = await chromium.launch({ executablePath });
const complaints = [];
const requests = [];

async function open(options = {}, path = "") {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1000 }, colorScheme: "light", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(page_address + path);
  return page;
}

/** Waits for the picture, and says when it stood, counted from the start of the navigation. */
async function drawn(page) {
  await page.waitForFunction(() => performance.getEntriesByName("drawn").length > 0);
  return page.evaluate(() => performance.getEntriesByName("drawn")[0].startTime);
}

/** Does something that asks the server, and waits until its answer is shown. */
async function answered(page, act, status = 200) {
  const [reply] = await Promise.all([page.waitForResponse(/\/ui\/data/), act()]);
  assert.equal(reply.status(), status);
  await page.waitForFunction(() => document.getElementById("picture").ariaBusy === "false");
  return status === 200 ? reply.json() : reply.text();
}

const frame = (page, label) => page.locator("#graph g.frame", { hasText: label }).first();
const whole = (page) => page.evaluate(() => document.querySelector("#graph svg").clientWidth);
const text = (page, selector) => page.locator(selector).innerText();
const hue = async (page, label) => /^hsl\((\d+)/.exec(await frame(page, label).locator("rect").getAttribute("fill"))?.[1];

/** Waits until a frame takes all of the width, or less than half of it; fails when it never does. */
async function settled(page, label, isWhole) {
  const all = await whole(page);
  await frame(page, label).locator("rect").evaluate((rect, [all, isWhole]) => new Promise((done, fail) => {
    const last = performance.now() + 60_000;
    const look = () => {
      const wide = rect.getBoundingClientRect().width;
      if (isWhole ? Math.abs(wide - all) < 2 : wide < all / 2) done();
      else if (performance.now() > last) fail(new Error(`the frame is ${wide} of ${all} wide`));
      else requestAnimationFrame(look);
    };
    look();
  }), [all, isWhole]);
}
const percent = (shown) => Number(/([\d.]+)%/.exec(shown)[1]);

/** The sum of a column over the nodes of a view that are not below another such node. */
function outermost(view, matches, column) {
  const within = [];
  let sum = 0;
  for (const [at, node] of view.nodes.entries()) {
    const is = node[1] >= 0 && matches(view.functions[node[1]][0]);
    const above = at > 0 && within[node[0]];
    if (is && !above) sum += node[column];
    within.push(is || above);
  }
  return sum;
}

// The first profile of a process reads its debug information; then, as often as it is opened.
const first = await open();
console.log(`first picture of the process after ${Math.round(await drawn(first))} ms`);
await first.context().close();
// What else the machine does only adds to it, so one of a few is to keep the promise; all are said.
let page, time;
for (let navigation = 0; navigation < 10 && !(time < Number(limit)); navigation += 1) {
  await page?.context().close();
  page = await open();
  time = await drawn(page);
  console.log(`picture of 5,000 stacks after ${Math.round(time)} ms`);
}
assert.ok(time < Number(limit), `${time} ms, at most ${limit}`);
const frames = await page.locator("#graph g.frame").count();
assert.ok(frames > 300, `${frames} frames are drawn`);
await page.screenshot({ path: `${folder}/light.png` });

// What is shown is what the server says.
let view = await answered(page, () => page.locator("#reload").click());
assert.ok(view.rows.length > 25 && view.nodes.length > 3_000, `${view.nodes.length} nodes`);
assert.match(await text(page, "#types [aria-checked=true]"), /^In use\n\d+\.\d\d ± \d+\.\d\d MiB$/);
assert.match(await text(page, "h1"), new RegExp(`^${view.program} process ${view.process} · 20`));
assert.match(await text(page, "#estimates"), /one allocation is recorded for every 4\.00 KiB allocated\. ± is one/);

// Zoom, by mouse.
await settled(page, "images::accept", false);
await frame(page, "images::accept").click();
await settled(page, "images::accept", true);
assert.match(await text(page, "#detail h2"), /^images::accept$/);
await page.keyboard.press("Escape");
await settled(page, "images::accept", false);
assert.ok(await page.locator("#out").isHidden());

// And by keyboard: two down to the widest that accepts, to the right, zoom, and out.
await page.locator("#graph").focus();
await page.keyboard.press("Home");
for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
const second = await text(page, "#detail h2");
assert.match(second, /^\w+::accept$/);
await page.keyboard.press("Enter");
await settled(page, second, true);
await page.keyboard.press("Escape");
await settled(page, second, false);

// How stacks start is left out, and there if it is asked for.
const shown = await page.locator("#graph g.frame").count();
for (const more of [true, false]) {
  await page.locator("#trunk").click();
  const now = await page.locator("#graph g.frame").count();
  assert.ok(more ? now > shown + 3 : now === shown, `${now} frames after ${shown}`);
}

// Search, with the share of what matches.
await page.locator("#search").fill("billing::fetch");
const share = outermost(view, (name) => name.includes("billing::fetch"), 4) / view.whole * 100;
assert.ok(Math.abs(percent(await text(page, "#found")) - share) < 0.01, `${share}`);
const lit = await frame(page, "billing::fetch").locator("rect").getAttribute("fill");
const unlit = await frame(page, "images::accept").locator("rect").getAttribute("fill");
assert.notEqual(lit, unlit);
assert.deepEqual(await page.locator("#top td.name span").allInnerTexts(), ["billing::fetch"]);
await page.locator("#search").fill("no such function");
assert.equal(await text(page, "#found"), "no match");
await page.locator("#search").fill("");

// Sort, and choose: callers and callees.
const column = async (name) => (await page.locator(`#top td.${name}`).allInnerTexts()).map(percent);
const falls = (values) => values.every((value, at) => at === 0 || value <= values[at - 1]);
assert.ok(falls(await column("flatShare")) && !falls(await column("cumShare")));
await page.locator("#top th.cum button").click();
assert.ok(falls(await column("cumShare")) && !falls(await column("flatShare")));
assert.equal(await page.locator("#top th.cum").getAttribute("aria-sort"), "descending");
await page.locator("#top th.cum button").click();
assert.ok(falls((await column("cumShare")).reverse()));
await page.locator("#top th.cum button").click();
await page.locator("#top td.name span[title$='images::fetch']").click();
assert.match(await text(page, "#detail .full"), /::images::fetch$/);
assert.match(await text(page, "#detail dl"), /^Flat\n0 ± 0 B\s+\(0%\)\nCum\n[\d.]+ ± [\d.]+ MiB\s+\([\d.]+%\)/);
const neighbors = page.locator("#detail .others");
const names = (at) => neighbors.nth(at).locator("button").allInnerTexts();
const ending = (list, name) => list.filter((one) => one.endsWith(name)).length;
assert.deepEqual([ending(await names(0), "::accept"), ending(await names(1), "::decode")], [6, 6]);
const shares = await neighbors.nth(0).locator("td:nth-child(2)").allInnerTexts();
const sum = shares.map(percent).reduce((a, b) => a + b);
const cum = percent(/Cum\n.*?\(([\d.]+%)\)/.exec(await text(page, "#detail dl"))[1]);
assert.ok(Math.abs(sum - cum) < 0.1, `${sum} of ${cum}`);
assert.ok(await page.locator("#graph g.outlined").count() >= 6);

// Another sample type, of the same moment.
const moment = view.id;
view = await answered(page, () => page.locator("[data-type=alloc_objects]").click());
assert.equal(view.id, moment);
assert.equal(view.sample_types[view.sample_index].kind, "alloc_objects");
assert.match(await text(page, "#types [aria-checked=true]"), /^Objects ever allocated\n[\d,]+ ± [\d,]+$/);
assert.match(page.url(), /sample_index=alloc_objects/);
await answered(page, () => page.locator("[data-type=inuse_space]").click());

// A filter, one that matches nothing, and one that is none.
const focus = async (pattern, status) => answered(page, async () => {
  await page.locator("#focus").fill(pattern);
  await page.keyboard.press("Enter");
}, status);
view = await focus("^\\w+::page::images::|^[a-z_:]*images::accept$");
assert.ok(view.shown.value < view.whole && view.shown.value > 0);
assert.equal(outermost(view, (name) => name.endsWith("images::accept"), 4) > 0, true);
view = await focus("nobody_calls_this");
assert.match(await text(page, "#message"), /^No function or file matches “nobody_calls_this”\./);
assert.ok(await page.locator("#graph").isHidden());
assert.match(await focus("(", 400), /^focus is not a regular expression: /);
assert.match(await text(page, "#message"), /^focus is not a regular expression: /);
await focus("");
assert.ok(await page.locator("#message").isHidden() && await page.locator("#graph").isVisible());

// What has changed since the first look.
const before = view.sample_types[3].total.value;
await once(connect(port, "127.0.0.1").resume(), "close");
view = await answered(page, () => page.locator("#reload").click());
assert.ok(view.sample_types[3].total.value !== before);
const since = await page.locator("#since option").nth(1).getAttribute("value");
view = await answered(page, () => page.locator("#since").selectOption(since));
const growth = (name) => outermost(view, (of) => of.endsWith(name), 4);
assert.ok(growth("orders::accept") > 45 << 20 && growth("images::accept") < -(20 << 20), JSON.stringify(view.change));
assert.equal(view.change.new - view.change.base, view.shown.value);
assert.match(await text(page, "#change"), /^[+−]\d[\d.]* ± [\d.]+ MiB\s+[+−][\d.]+% since \d\d:\d\d:\d\d/);
assert.equal(await text(page, "#change .verdict"), "more than noise");
assert.match(await text(page, "#change .swatch.grown"), /^grown \+5\d\.\d\d MiB$/);
assert.deepEqual([await hue(page, "orders::accept"), await hue(page, "images::accept")], ["4", "212"]);
await frame(page, "orders::accept").hover();
assert.match(await text(page, "#tip"), /\nfrom 0 B to 50\.00 MiB\s+more than noise/);
await page.mouse.move(5, 5);
assert.ok(await page.locator("#top td.grown").count() > 0 && await page.locator("#top td.shrunk").count() > 0);
await page.screenshot({ path: `${folder}/difference.png` });

// Errors of the server are shown as they are, with a way out.
await page.route("**/ui/data*", (route) => route.fulfill({ status: 501, body: "no allocation came through\n" }));
assert.deepEqual(complaints.splice(0).filter((text) => !/status of 400/.test(text)), []);
await answered(page, () => page.locator("#reload").click(), 501);
assert.match(await text(page, "#message"), /^no allocation came through/);
await page.unroute("**/ui/data*");
await answered(page, () => page.locator("#message button").click());
assert.ok(await page.locator("#graph").isVisible() && await page.locator("#change").isHidden());
assert.deepEqual(complaints.splice(0).filter((text) => !/status of 501/.test(text)), []);
await page.context().close();

// Dark by the system's choice, narrow; light by the person's, and remembered.
const dark = await open({ colorScheme: "dark", viewport: { width: 1000, height: 900 } }, `?since=${since}&search=store`);
await drawn(dark);
const back = () => dark.evaluate(() => getComputedStyle(document.body).backgroundColor);
assert.equal(await back(), "rgb(20, 24, 31)");
assert.match(await text(dark, "#found"), /%/);
assert.ok(await dark.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "scrolls sideways");
await dark.locator("#search").fill("");
await dark.screenshot({ path: `${folder}/dark.png` });
await dark.locator("#theme").click();
assert.equal(await back(), "rgb(246, 247, 249)");
await dark.reload();
await drawn(dark);
assert.equal(await back(), "rgb(246, 247, 249)");
const licenses = await dark.request.get(new URL(await dark.locator("footer a").getAttribute("href"), dark.url()).href);
assert.match(await licenses.text(), /Apache License[^]*ISC/i);
await dark.context().close();

// Without JavaScript there is a way too.
const plain = await open({ javaScriptEnabled: false });
assert.deepEqual(await plain.locator("noscript a").count(), 3);
await plain.context().close();

assert.deepEqual(complaints, []);
const elsewhere = requests.filter((url) => !url.startsWith(`${origin}/debug/pprof/ui`) && url !== "data:,");
assert.deepEqual(elsewhere, []);
await browser.close();
