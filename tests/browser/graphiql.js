// Opens the GraphiQL page in Chromium, runs the document of every tab, and prints what happened as one JSON object:
//
//   node graphiql.js http://127.0.0.1:8000
//
//   foreign     requests to another origin (all are refused)
//   failures    errors the page threw, and what it wrote to the console as an error (a refused style or script, too)
//   runs        [{tab, variables, headers, response}] of each tab: its title, what its document was sent with, and the
//               answer as the page shows it
//   opened      the names of the panels and dialogs that opened
//   violations  what axe-core finds serious or critical, with the first element of each
import { checkAccessibility, visitWith, watchErrors } from "./watch.js";

const PANELS = ["Show Documentation Explorer", "Show History", "Show GraphiQL Explorer"];
const DIALOGS = ["Open short keys dialog", "Open settings dialog"];

const [origin] = process.argv.slice(2);
const report = { failures: [], foreign: [], opened: [], runs: [], violations: [] };

async function watch(page) {
  await page.route("**/*", (route) => {
    const address = route.request().url();
    if (new URL(address).origin === new URL(origin).origin) {
      return route.continue();
    }
    report.foreign.push(address);
    return route.abort();
  });
  watchErrors(page, report.failures);
}

async function runTab(page, tab) {
  const title = (await tab.innerText()).trim();
  await tab.click();
  // GraphiQL takes the operation's name from the new tab a moment after it shows it.
  await page.waitForFunction((name) => localStorage.getItem("graphiql:operationName") === name, title);
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.locator(".graphiql-execute-button").click();
  const response = await answered;
  await response.finished();
  const request = response.request();
  report.runs.push({
    headers: request.headers(),
    response: JSON.parse(await shownResponse(page)),
    tab: title,
    variables: request.postDataJSON().variables ?? {},
  });
}

async function shownResponse(page) {
  const shown = await page.waitForFunction(() => {
    const busy = document.querySelector(".graphiql-spinner");
    return busy ? null : document.querySelector(".result-window .CodeMirror")?.CodeMirror.getValue();
  });
  return shown.jsonValue();
}

async function visit(page) {
  await page.goto(`${origin}/graphql`);
  await page.locator(".graphiql-execute-button").waitFor();
  await checkAccessibility(page, "on arrival", report.violations);
  for (const tab of await page.locator(".graphiql-tab .graphiql-tab-button").all()) {
    await runTab(page, tab);
  }
  await checkAccessibility(page, "with an answer", report.violations);
  for (const panel of PANELS) {
    await page.getByRole("button", { name: panel }).click();
    await page.locator(".graphiql-plugin").waitFor();
    await checkAccessibility(page, panel, report.violations);
    report.opened.push(panel);
  }
  for (const dialog of DIALOGS) {
    await page.getByRole("button", { name: dialog }).click();
    await page.getByRole("dialog").waitFor();
    await checkAccessibility(page, dialog, report.violations);
    await page.keyboard.press("Escape");
    report.opened.push(dialog);
  }
}

await visitWith(async (page) => {
  await watch(page);
  await visit(page);
});
console.log(JSON.stringify(report, null, 2));
