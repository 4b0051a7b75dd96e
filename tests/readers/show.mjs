// What speedscope's own page shows of a file: `node show.mjs FOLDER BROWSER FILE` writes it as JSON. FOLDER
// is where package.json's packages are installed. Page and file come from this process, on loopback.
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, executablePath, file] = process.argv.slice(2);
const { chromium } = createRequire(path.resolve(folder, "package.json"))("playwright-core");
const site = path.resolve(folder, "node_modules/speedscope/dist/release");

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const server = http.createServer((request, response) => {
  const asked = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  const found = asked === "/" + path.basename(file) ? file : path.join(site, path.basename(asked));
  response.setHeader("content-type", types[path.extname(found)] ?? "application/octet-stream");
  const body = fs.createReadStream(found);
  body.on("error", () => response.writeHead(404).end());
  body.pipe(response);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({ executablePath, args: ["--enable-unsafe-swiftshader"] });
const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
page.setDefaultTimeout(120_000);
const complaints = [];
// What the drawing library says of speed is not about the file.
page.on("console", (message) => {
  const isOfDrawing = message.text().includes("GL Driver Message");
  if (["error", "warning"].includes(message.type()) && !isOfDrawing) complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(error.message));
page.on("dialog", (dialog) => {
  complaints.push(dialog.message());
  dialog.dismiss();
});
const address = encodeURIComponent(`${origin}/${path.basename(file)}`);
await page.goto(`${origin}/index.html#profileURL=${address}`);
try {
  // Named after its profile once that is read.
  await page.waitForFunction(() => document.title !== "speedscope");
  await page.keyboard.press("3");
  await page.getByText("Symbol Name").waitFor();
} catch (error) {
  const shown = await page.locator("body").innerText();
  throw new Error(`${error.message}\nThe page says: ${shown}\n${complaints.join("\n")}`);
}
const rows = await page.locator("tr:has(td[title])").evaluateAll((rows) =>
  rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.innerText.trim())));
const shown = { title: await page.title(), rows, complaints };
await browser.close();
server.close();
process.stdout.write(JSON.stringify(shown));
