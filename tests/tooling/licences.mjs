// Collects the licences of the packages in a bundle, for the file that goes with it.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OURS = join(dirname(fileURLToPath(import.meta.url)), "../../LICENSE");

function packageFolders(inputs) {
  const folders = new Set();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) {
      folders.add(match[1]);
    }
  }
  return [...folders].sort();
}

function mitLicence(name, holder) {
  if (!holder) {
    throw new Error(`${name} carries no licence text: find its copyright and name it in build.js`);
  }
  return readFileSync(OURS, "utf8").trim().replace(/^Copyright .*$/m, `Copyright (c) ${holder}`);
}

function licenceOf(path, holders) {
  const { license, name, version } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(path, file), "utf8").trim() : mitLicence(name, holders[name]);
  return `${name} ${version} (${license})\n${"-".repeat(60)}\n${text}\n`;
}

// `inputs` are the files of the bundle, relative to `folder`; `holders` names the copyright of packages under the MIT
// licence that carry no copy of it.
export function licences(folder, inputs, holders) {
  return packageFolders(inputs)
    .map((path) => licenceOf(join(folder, path), holders))
    .join("\n\n");
}
