// Lints a printed schema with @graphql-eslint (schema-all and schema-relay) and with graphql-schema-linter (all rules).
//
//   node lint.js [schema.graphql]
//
// Both know a rule for the order of fields, and the two contradict each other: the first wants `id` in front,
// `createdAt` and `updatedAt` at the end, and `retryable` before `retryAfterMs`; the second wants the plain alphabet, the
// capitals first. The order of fields means nothing to a client, so the file keeps the plain alphabet and the first
// linter reads a copy in the order of its liking. No rule is switched off for either.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import * as graphqlEslint from "@graphql-eslint/eslint-plugin";
import { ESLint } from "eslint";
import { parse, print, visit } from "graphql";

const here = dirname(fileURLToPath(import.meta.url));
const schemaFile = resolve(process.argv[2] ?? join(here, "../../../schema.graphql"));

// Objects without an identity of their own: parts of a cached object, or answers that nobody caches.
const VALUES = ["PageInfo", "AttachmentVersion", "Capability", "DownloadLink", "NameValue", "Sender", "SourceStatus", "StagedUploadProblem",
  "StagedUploadTarget", "StoredFileDeletion", "UploadedPart"];

// What the contract calls so on purpose, one line a finding; an entry that no longer finds anything is a finding itself.
const ACCEPTED = new Set([
  // The folders in a folder have no better name, and a library has them under the same one.
  '@graphql-eslint/no-typename-prefix: Field "folders" starts with the name of the parent type "Folder"',
]);

const RULES = {
  ...graphqlEslint.configs["flat/schema-all"].rules,
  ...graphqlEslint.configs["flat/schema-relay"].rules,
  "@graphql-eslint/strict-id-in-types": [
    "error",
    { exceptions: { suffixes: ["Connection", "Edge", "Payload", "Error", "Details"], types: VALUES } },
  ],
  // Forbids mutations altogether, which a gateway that takes uploads cannot do without.
  "@graphql-eslint/no-root-type": "off",
  // `nodes(ids:)` is a list without edges by Relay's own specification.
  "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
};

function rank(name) {
  return { id: 0, createdAt: 2, updatedAt: 3 }[name] ?? 1;
}

function compareFields({ name: { value: left } }, { name: { value: right } }) {
  return rank(left) - rank(right) || left.localeCompare(right);
}

function inGroups(node) {
  return { ...node, fields: [...(node.fields ?? [])].sort(compareFields) };
}

function reordered(text) {
  return print(
    visit(parse(text), {
      InputObjectTypeDefinition: inGroups,
      InterfaceTypeDefinition: inGroups,
      ObjectTypeDefinition: inGroups,
    }),
  );
}

async function runEslint(text) {
  const folder = mkdtempSync(join(tmpdir(), "schema-lint-"));
  try {
    const copy = join(folder, "schema.graphql");
    writeFileSync(copy, reordered(text));
    const eslint = new ESLint({
      cwd: folder,
      overrideConfigFile: true,
      overrideConfig: {
        files: ["**/*.graphql"],
        languageOptions: {
          parser: graphqlEslint.parser,
          parserOptions: { graphQLConfig: { schema: copy } },
        },
        plugins: { "@graphql-eslint": graphqlEslint },
        rules: RULES,
      },
    });
    const [result] = await eslint.lintFiles([copy]);
    return result.messages.map((message) => `${message.ruleId ?? "parser"}: ${message.message}`);
  } finally {
    rmSync(folder, { force: true, recursive: true });
  }
}

function runSchemaLinter() {
  // An empty configuration folder keeps a configuration of some parent folder from switching rules off.
  const command = join(here, "node_modules/graphql-schema-linter/lib/cli.js");
  const options = ["--format", "json", "--config-directory", join(here, "node_modules/graphql-schema-linter"), schemaFile];
  const run = spawnSync(process.execPath, [command, ...options], { encoding: "utf8", maxBuffer: 64 << 20 });
  if (!run.stdout.trim()) {
    throw new Error(`graphql-schema-linter said nothing: ${run.stderr}`);
  }
  return JSON.parse(run.stdout).errors.map(
    (error) => `${error.rule}: ${error.message} (line ${error.location.line})`,
  );
}

function withoutAccepted(findings) {
  const unused = [...ACCEPTED].filter((accepted) => !findings.includes(accepted));
  return [
    ...findings.filter((finding) => !ACCEPTED.has(finding)),
    ...unused.map((accepted) => `accepted, but no longer found: ${accepted}`),
  ];
}

function report(linter, findings) {
  for (const finding of findings) {
    console.log(`  ${finding}`);
  }
  console.log(`${linter}: ${findings.length} findings`);
  return findings.length;
}

const text = readFileSync(schemaFile, "utf8");
const found = report("@graphql-eslint", withoutAccepted(await runEslint(text))) + report("graphql-schema-linter", runSchemaLinter());
process.exit(found === 0 ? 0 : 1);
