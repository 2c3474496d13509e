// Bundles the upload page's script, with what it needs of Uppy, into gateway/web/static/upload.
//
//   npm ci && npm run build
//
// THIRD-PARTY-LICENSES.txt names every package in the bundle with its licence. The same lock file gives the same bytes.
// OUTPUT=folder builds somewhere else.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { licences } from "../licences.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const output = process.env.OUTPUT ?? join(here, "../../../gateway/web/static/upload");

// Packages under the MIT licence that carry no copy of it, with the copyright of the project they come from.
const COPYRIGHT = { "mime-match": "Damon Oehlman", wildcard: "Damon Oehlman" };

const result = await build({
  absWorkingDir: here,
  alias: { "@uppy/companion-client": "./no-companion.js" },
  bundle: true,
  define: { "process.env.NODE_ENV": '"production"' },
  entryNames: "upload",
  entryPoints: ["start.js"],
  format: "iife",
  legalComments: "none",
  metafile: true,
  minify: true,
  outdir: output,
  target: ["es2022"],
  write: false,
});
rmSync(output, { force: true, recursive: true });
mkdirSync(output, { recursive: true });
const files = Object.fromEntries(result.outputFiles.map((file) => [file.path.split("/").pop(), file.text]));
files["THIRD-PARTY-LICENSES.txt"] = licences(here, Object.keys(result.metafile.inputs), COPYRIGHT);
for (const [name, text] of Object.entries(files)) {
  writeFileSync(join(output, name), text);
  console.log(`${name} ${Buffer.byteLength(text)} bytes`);
}
