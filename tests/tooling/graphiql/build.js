// Bundles GraphiQL and everything it needs into gateway/web/static/graphiql, so that the page asks no other origin.
//
//   npm ci && npm run build
//
// graphiql.js and graphiql.css are one file each; the images that the stylesheet embeds as base64 become files beside
// it, so that the page's content security policy needs no `data:`. THIRD-PARTY-LICENSES.txt names every package in the
// bundle with its licence. The same lock file gives the same bytes. OUTPUT=folder builds somewhere else.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { licences } from "../licences.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const output = process.env.OUTPUT ?? join(here, "../../../gateway/web/static/graphiql");

// Packages under the MIT licence that carry no copy of it, with the copyright of the project they come from.
const COPYRIGHT = {
  "@graphiql/plugin-doc-explorer": "2021 GraphQL Contributors",
  "@graphiql/plugin-explorer": "2021 GraphQL Contributors",
  "@graphiql/plugin-history": "2021 GraphQL Contributors",
  "react-compiler-runtime": "Meta Platforms, Inc. and affiliates",
  "react-remove-scroll-bar": "2017 Anton Korzunov",
  "toggle-selection": "2017 sudodoki",
};

async function bundle() {
  const result = await build({
    absWorkingDir: here,
    alias: { "react-style-singleton": "./no-style-elements.js" },
    bundle: true,
    define: { "process.env.NODE_ENV": '"production"' },
    entryNames: "graphiql",
    entryPoints: ["start.jsx"],
    format: "iife",
    jsx: "automatic",
    legalComments: "none",
    metafile: true,
    minify: true,
    outdir: output,
    target: ["es2022"],
    write: false,
  });
  const textOf = (ending) => result.outputFiles.find((file) => file.path.endsWith(ending)).text;
  return { inputs: Object.keys(result.metafile.inputs), script: textOf(".js"), stylesheet: textOf(".css") };
}

// The fonts that GraphiQL embeds make three quarters of its stylesheet: page.css names the visitor's own instead.
function withoutFonts(stylesheet) {
  return stylesheet.replace(/@font-face\s*{[^}]*}/g, "");
}

function extractImages(stylesheet) {
  const images = new Map();
  const text = stylesheet.replace(/url\(\s*["']?data:image\/png;base64,([\w+/=]+)["']?\s*\)/g, (_, base64) => {
    const bytes = Buffer.from(base64, "base64");
    const name = `image-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}.png`;
    images.set(name, bytes);
    return `url(${name})`;
  });
  if (text.includes("data:")) {
    throw new Error("the stylesheet still embeds something, which the page's policy would block");
  }
  return { images, text };
}

const { inputs, script, stylesheet } = await bundle();
const { images, text } = extractImages(withoutFonts(stylesheet));
rmSync(output, { force: true, recursive: true });
mkdirSync(output, { recursive: true });
writeFileSync(join(output, "graphiql.js"), script);
writeFileSync(join(output, "graphiql.css"), text);
for (const [name, bytes] of images) {
  writeFileSync(join(output, name), bytes);
}
writeFileSync(join(output, "THIRD-PARTY-LICENSES.txt"), licences(here, inputs, COPYRIGHT));
for (const name of readdirSync(output)) {
  console.log(`${name} ${readFileSync(join(output, name)).length} bytes`);
}
