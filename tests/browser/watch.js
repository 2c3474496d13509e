// What the visits of all pages watch for: requests elsewhere, errors, and what axe-core finds.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const TIMEOUT_MS = 20_000;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Adds to `failures` what the page throws, and what it writes to the console as an error: a request, style or script that
// its content security policy refuses, too.
export function watchErrors(page, failures) {
  page.on("pageerror", (error) => failures.push(`thrown: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") {
      failures.push(`console: ${message.text()}`);
    }
  });
}

// Adds to `violations` what axe-core finds serious or critical, with the first element of each.
export async function checkAccessibility(page, state, violations) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => window.axe.run());
  for (const { id, impact, nodes } of found.violations) {
    if (impact === "serious" || impact === "critical") {
      violations.push(`${state}: ${id} (${impact}), ${nodes.length} times: ${nodes[0].html.slice(0, 200)}`);
    }
  }
}

// Starts the browser, gives `visit` a new page, and closes the browser whatever happens.
export async function visitWith(visit) {
  const browser = await chromium.launch({
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await visit(page);
  } finally {
    await browser.close();
  }
}
