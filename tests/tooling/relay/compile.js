// Compiles GraphQL documents with relay-compiler against a printed schema, as an application with Relay would:
//
//   node compile.js schema.graphql document.graphql...
//
// Relay wants the name of a module in front of every operation and fragment in it, and `Query`, `Mutation` or
// `Subscription` at the end of an operation. Documents for people need no such names, so each becomes a module here with
// its names adapted; nothing else of it changes. Ends with `N documents compiled`, and with the compiler's exit code.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parse, print, visit } from "graphql";
import compiler from "relay-compiler";

const SUFFIXES = { mutation: "Mutation", query: "Query", subscription: "Subscription" };

function named(node, value) {
  return { ...node, name: { kind: "Name", value } };
}

function asModule(text, name) {
  const rename = (node) => named(node, `${name}_${node.name.value}`);
  const document = visit(parse(text), {
    FragmentDefinition: rename,
    FragmentSpread: rename,
    OperationDefinition: (node, index) => {
      const suffix = SUFFIXES[node.operation];
      const given = (node.name?.value ?? `Number${index}`).replace(new RegExp(`${suffix}$`), "");
      return named(node, `${name}${given}${suffix}`);
    },
  });
  const tags = document.definitions.map((definition) => `graphql\`\n${print(definition)}\n\`;\n`);
  return `import { graphql } from "relay-runtime";\n\n${tags.join("\n")}`;
}

function compile(schema, documents, folder) {
  const source = join(folder, "source");
  const artifacts = join(folder, "artifacts");
  mkdirSync(source);
  mkdirSync(artifacts);
  copyFileSync(schema, join(folder, "schema.graphql"));
  documents.forEach((document, index) => {
    const name = `Document${index}`;
    writeFileSync(join(source, `${name}.ts`), asModule(readFileSync(document, "utf8"), name));
  });
  const configuration = {
    artifactDirectory: "./artifacts",
    language: "typescript",
    schema: "./schema.graphql",
    src: "./source",
  };
  writeFileSync(join(folder, "relay.config.json"), JSON.stringify(configuration));
  const run = spawnSync(compiler, ["--output", "verbose", "relay.config.json"], { cwd: folder, encoding: "utf8" });
  return { artifacts: readdirSync(artifacts).length, output: run.stdout + run.stderr, status: run.status };
}

const [schema, ...documents] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "relay-"));
try {
  const { artifacts, output, status } = compile(schema, documents, folder);
  if (status !== 0 || artifacts < documents.length) {
    documents.forEach((document, index) => console.log(`Document${index} is ${document}`));
    console.log(output);
    process.exitCode = 1;
  } else {
    console.log(`${documents.length} documents compiled into ${artifacts} artifacts`);
  }
} finally {
  rmSync(folder, { force: true, recursive: true });
}
