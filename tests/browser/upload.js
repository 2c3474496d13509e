// Uploads files on the upload page in Chromium, and prints what happened as one JSON object:
//
//   node upload.js http://127.0.0.1:8000 put.pdf post.pdf broken.pdf killed.pdf paused.pdf
//
//   foreign     requests to another origin than the gateway's and the store's
//   failures    errors the page threw, and what it wrote to the console as an error (what its policy refuses, too)
//   refused     what the page says of a file for a place that takes none
//   states      {file: [state]}: what the row of each upload went through
//   links       where the links to GraphiQL, and from there back, led to
//   listed      {file: title}: the title of the list that shows the file
//   sent        {file: [request]} that went to the store: "PUT", "POST", "PUT part 2", with "failed" behind where it did
//   violations  what axe-core finds serious or critical, with the first element of each
import { basename } from "node:path";

import { checkAccessibility, visitWith, watchErrors } from "./watch.js";

const [origin, put, post, broken, killed, paused] = process.argv.slice(2);
const report = { failures: [], foreign: [], links: [], listed: {}, refused: "", sent: {}, states: {}, violations: [] };
let current = "";

function watchRequests(page, store) {
  const own = [new URL(origin).origin, store];
  page.on("request", (request) => {
    const address = new URL(request.url());
    if (!own.includes(address.origin)) {
      report.foreign.push(request.url());
    }
  });
  page.on("requestfinished", (request) => noteSent(request, store, ""));
  page.on("requestfailed", (request) => noteSent(request, store, " failed"));
}

function noteSent(request, store, outcome) {
  const address = new URL(request.url());
  if (address.origin === store && request.method() !== "OPTIONS") {
    const part = address.searchParams.get("partNumber");
    report.sent[current].push(`${request.method()}${part ? ` part ${part}` : ""}${outcome}`);
  }
}

// The page's own word for where it may connect to: the origin of the store is nowhere else in it.
async function storeOf(page) {
  const answer = await page.goto(`${origin}/upload`);
  const [, connect] = /connect-src 'self' (\S+);/.exec(answer.headers()["content-security-policy"]);
  return connect;
}

async function choose(page, place, method) {
  await page.getByLabel("Where the files go").selectOption({ label: place });
  await page.getByRole("radio", { name: `${method}:` }).check();
}

// Drops a file as a person does, and notes each state of its row.
async function drop(page, path) {
  current = basename(path);
  report.sent[current] = [];
  report.states[current] = [];
  await page.exposeFunction(`note_${current.replace(/\W/g, "_")}`, (state) => report.states[basename(path)].push(state));
  await page.evaluate((name) => {
    const note = window[`note_${name.replace(/\W/g, "_")}`];
    new MutationObserver(() => {
      const row = [...document.querySelectorAll("#uploads li")].find((each) => each.querySelector("strong").textContent === name);
      if (row && row.dataset.state !== row.dataset.noted) {
        row.dataset.noted = row.dataset.state;
        note(row.dataset.state);
      }
    }).observe(document.getElementById("uploads"), { attributeFilter: ["data-state"], childList: true, subtree: true });
  }, current);
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("#drop button").click()]);
  await chooser.setFiles(path);
}

async function arrive(page, path) {
  const name = basename(path);
  await page.locator('#uploads li[data-state="arrived"]', { hasText: name }).waitFor({ timeout: 60_000 });
  // Maarch's lists tell no format, so names have no extension there.
  await page.locator("#files tr", { hasText: name.replace(/\.\w+$/, "") }).waitFor();
  report.listed[name] = await page.locator("#files-title").innerText();
}

// The only request breaks, so the page gives up until the person asks for another try.
async function breakAndRetry(page, path) {
  const store = /[?&]X-Amz-Signature=/;
  await page.route(store, (route) => route.abort("connectionreset"), { times: 1 });
  await drop(page, path);
  await page.getByRole("button", { name: `Retry ${basename(path)}` }).click();
  await arrive(page, path);
}

// The connection breaks while the second part is on its way, once. The browser's own preflights are not made while
// requests are looked at, so this is no test of those.
async function loseOnePart(page) {
  let left = 1;
  await page.route(/[?&]partNumber=2(&|$)/, (route) => {
    left -= 1;
    return left === 0 ? route.abort("connectionreset") : route.continue();
  });
}

// The first two parts get no further until the person pauses, and so the page gives them up; the third has arrived.
async function pauseAndResume(page, path) {
  const held = /[?&]partNumber=[12](&|$)/;
  await page.route(held, () => undefined);
  const arrived = page.waitForEvent("requestfinished", (request) => request.url().includes("partNumber="));
  await drop(page, path);
  await arrived;
  await page.getByRole("button", { name: `Pause ${basename(path)}` }).click();
  await page.locator('#uploads li[data-state="paused"]').waitFor();
  await checkAccessibility(page, "paused", report.violations);
  await page.unroute(held);
  await page.getByRole("button", { name: `Resume ${basename(path)}` }).click();
  await arrive(page, path);
}

async function beRefused(page, path) {
  const name = `refused-${basename(path)}`;
  current = name;
  report.sent[name] = [];
  await choose(page, "Message (Direct Mail, which takes no uploads)", "PUT");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("#drop button").click()]);
  await chooser.setFiles({ buffer: Buffer.from("refused"), mimeType: "text/plain", name });
  const row = page.locator('#uploads li[data-state="ended"]', { hasText: name });
  await row.waitFor();
  report.refused = await row.innerText();
}

async function followLinks(page) {
  await page.getByRole("link", { name: "Ask with GraphiQL" }).click();
  await page.locator(".graphiql-execute-button").waitFor();
  report.links.push(new URL(page.url()).pathname);
  await page.getByRole("link", { name: "Upload files" }).click();
  await page.locator("#files tr").first().waitFor();
  report.links.push(new URL(page.url()).pathname);
}

await visitWith(async (page) => {
  watchErrors(page, report.failures);
  const store = await storeOf(page);
  watchRequests(page, store);
  await page.locator("#files tr").first().waitFor();
  await checkAccessibility(page, "on arrival", report.violations);

  await choose(page, "Mail 100 (Maarch)", "PUT");
  await drop(page, put);
  await arrive(page, put);
  await choose(page, "Case CASE-1001, for both parties (Decisiv)", "POST");
  await drop(page, post);
  await arrive(page, post);
  await choose(page, "Library of 2025 (Arrhes)", "PUT");
  await breakAndRetry(page, broken);
  await choose(page, "Library of 2025 (Arrhes)", "MULTIPART");
  await pauseAndResume(page, paused);
  await choose(page, "CRM note (EspoCRM)", "MULTIPART");
  await loseOnePart(page);
  await drop(page, killed);
  await arrive(page, killed);
  await beRefused(page, put);
  await checkAccessibility(page, "with uploads", report.violations);
  await followLinks(page);
});
console.log(JSON.stringify(report, null, 2));
