// The package holds what its manifest names and nothing that only builds it.

import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import Module from "node:module";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const listed = execFileSync("npx", ["vsce", "ls", "--no-dependencies"], { encoding: "utf8" });
const files = new Set(listed.split("\n").map((line) => line.trim()).filter((line) => line !== ""));
const named = [
  manifest.main,
  ...manifest.contributes.languages.map((language) => language.configuration),
  ...manifest.contributes.grammars.map((grammar) => grammar.path),
];
for (const path of named) {
  assert(files.has(path.replace(/^\.\//, "")), `${path} is not in the package: ${[...files].join(", ")}`);
}
for (const file of files) {
  assert(!/node_modules|\.ts$|^test\//.test(file), `${file} is in the package`);
}
// Every command and setting that the manifest offers is asked for in the code, and no other.
const code = readFileSync("src/extension.ts", "utf8");
const offered = [
  ...manifest.contributes.commands.map((command) => command.command),
  ...Object.keys(manifest.contributes.configuration.properties),
].map((name) => name.replace(/^claudeRouter\./, ""));
// The client library reads this one.
for (const name of offered.filter((name) => name !== "trace.server")) {
  assert(code.includes(`"${name}"`) || code.includes(`\${SECTION}.${name}\``), `${name} is offered and not there`);
}
// The bundle loads: whatever it asks of the editor, it gets something.
const anything = new Proxy(class {}, {
  apply: () => anything,
  get: (target, name) => (name === "prototype" ? target.prototype : name === Symbol.toPrimitive ? () => "" : anything),
});
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? anything : load(name, ...rest));
const extension = Module.createRequire(import.meta.url)(`../${manifest.main}`);
assert(typeof extension.activate === "function" && typeof extension.deactivate === "function");
console.log(`${files.size} files in the package`);
