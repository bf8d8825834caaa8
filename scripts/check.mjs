// Behind `pnpm check`: every check, each as a named step; runs them all even when one fails.
// `--soak [WORD]` instead runs the sweeps in full, optionally only those with WORD in their file name.
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { realSuites } from "./services.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const REPORTS = "{packages,apps,docs/examples}/*/.reports/*.json";
const SOAK_FILES = "{packages,apps}/*/test/**/*.soak.test.ts";

/** The suites that take longest, longest first; the others come after them, together. */
const LONG_SUITES = [
  ["test:e2e"],
  ...["ssh", "s3", "core", "testkit", "demo", "registry"].map((name) => [
    "test",
    `--filter=@lockstep/${name}`,
  ]),
  ["test", "--filter=lockstep"],
];

/** A quarter to a half of what a suite does is waiting: for servers, leases, services that have to stay up. */
const LANES = Math.max(3, availableParallelism() >> 1);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { soak: { type: "boolean", default: false } },
});

process.chdir(ROOT);
const environment = testEnvironment();
const planned = values.soak ? soakSteps(positionals[0]) : checkSteps();
const results = [];
for (const step of planned) results.push(await perform(step));
const tally = summarize(results);
process.exitCode = tally.failed === 0 ? 0 : 1;

function checkSteps() {
  return [
    { name: "build", run: () => turbo(["build", "--output-logs=errors-only"]) },
    { name: "types", run: () => turbo(["typecheck", "--output-logs=errors-only"]) },
    { name: "lint", run: () => command("oxlint", ["--type-aware", "--deny-warnings"]) },
    { name: "format", run: () => command("oxfmt", ["--check", "."]) },
    { name: "boundaries", run: () => command("turbo", ["boundaries"]) },
    { name: "tests", run: tests },
    { name: "packages", run: lintPackages },
  ];
}

/** The full sweeps, one package after the other: they take all the machine has. */
function soakSteps(word) {
  environment.LOCKSTEP_SOAK = "1";
  const folders = globSync(SOAK_FILES)
    .filter((file) => word === undefined || file.includes(word))
    .map((file) => file.slice(0, file.indexOf("/test/")));
  if (folders.length === 0) return [{ name: "no sweep has that name", run: () => ({ ok: false }) }];
  const filter = word === undefined ? [] : [word];
  return [...new Set(folders)].map((folder) => ({
    name: `soak ${folder}`,
    run: () => counted(() => vitest(folder, filter)),
  }));
}

/** Runs one step and prints what it was and how long it took. Never rejects. */
async function perform({ name, run }) {
  process.stdout.write(`\n━━ ${name}\n`);
  const begin = performance.now();
  let outcome;
  try {
    outcome = await run();
  } catch (error) {
    process.stdout.write(`${error.stack}\n`);
    outcome = { ok: false };
  }
  const seconds = (performance.now() - begin) / 1000;
  process.stdout.write(`${outcome.ok ? "✓" : "✗"} ${name} in ${seconds.toFixed(1)} s\n`);
  return { name, seconds, ...outcome };
}

function tests() {
  return counted(() => inLanes([...LONG_SUITES, otherSuites()]));
}

/** All suites that no other entry names. */
function otherSuites() {
  const named = LONG_SUITES.flatMap((words) =>
    words.filter((word) => word.startsWith("--filter=")),
  );
  return ["test", ...named.map((word) => word.replace("=", "=!"))];
}

/** Runs suites side by side, each one's output in one piece; a free lane takes the first that is left. */
async function inLanes(suites) {
  const queue = [...suites];
  const outcomes = [];
  const lane = async () => {
    for (let words = queue.shift(); words !== undefined; words = queue.shift()) {
      process.stdout.write(`… ${words.join(" ")}\n`);
      outcomes.push(await turbo(words, { concurrency: 1, heard: "afterwards" }));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { ok: outcomes.every(({ ok }) => ok) };
}

/** Adds up what vitest wrote while `run` ran; a failure that no test accounts for counts as one. */
async function counted(run) {
  for (const file of globSync(REPORTS)) rmSync(file);
  const { ok } = await run();
  const reports = globSync(REPORTS).map((file) => JSON.parse(readFileSync(file, "utf8")));
  const sum = (count) => reports.reduce((total, report) => total + count(report), 0);

  const passed = sum((report) => report.numPassedTests);
  const skipped = sum((report) => report.numPendingTests + report.numTodoTests);
  const failed = sum((report) => report.numFailedTests + brokenFiles(report));
  const silent = environment.LOCKSTEP_TEST === "sandbox" ? 0 : skipped;
  const unaccounted = !ok && failed === 0 ? 1 : 0;
  return {
    ok: ok && failed + silent === 0,
    tests: { passed, skipped, failed: failed + silent + unaccounted },
    failures: reports.flatMap(failures),
  };
}

/** What failed in a report, for the end of the output: file, test and the first line of why. */
function failures({ testResults }) {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = relative(ROOT, name);
    const failed = assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return message ? [`${file}: ${firstLine(message)}`] : [];
    return failed.map((test) => `${file}: ${test.fullName}: ${firstLine(test.failureMessages[0])}`);
  });
}

function firstLine(text = "") {
  return text.split("\n", 1)[0];
}

/** Files that failed before any of their tests ran. */
function brokenFiles({ testResults }) {
  const broken = (file) =>
    file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed");
  return testResults.filter(broken).length;
}

/** Packs every public package and looks at the tarball as npm's users get it. */
async function lintPackages() {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-pack-"));
  try {
    const outcomes = [];
    for (const path of publicPackages()) outcomes.push(await lintPackage(path, folder));
    return { ok: outcomes.every(({ ok }) => ok) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function lintPackage(path, folder) {
  const tarball = join(folder, `${path.replaceAll("/", "-")}.tgz`);
  const packed = await command("pnpm", ["-C", path, "pack", "--out", tarball], {
    heard: "on failure",
  });
  if (!packed.ok) return packed;
  const publint = await command("publint", ["--strict", tarball], { heard: "on failure" });
  const attw = await command("attw", ["--profile", "esm-only", tarball], { heard: "on failure" });
  const ok = publint.ok && attw.ok;
  process.stdout.write(`${ok ? "✓" : "✗"} ${path}\n`);
  return { ok };
}

function publicPackages() {
  return globSync("{packages,apps}/*/package.json")
    .filter((file) => JSON.parse(readFileSync(file, "utf8")).private !== true)
    .map((file) => dirname(file))
    .toSorted();
}

function turbo(words, { concurrency = Math.max(2, availableParallelism() >> 1), heard } = {}) {
  const how = ["--continue", "--ui=stream", `--concurrency=${concurrency}`];
  return command("turbo", ["run", ...words, ...how], { heard });
}

function vitest(folder, filter) {
  const config = relative(folder, "vitest.config.ts");
  return command("vitest", ["run", "--config", config, ...filter], { cwd: folder });
}

/** Runs a program to its end; it is heard `always`, `afterwards` in one piece, or `on failure` alone. */
function command(program, words, { cwd = ".", heard = "always" } = {}) {
  return new Promise((resolve, reject) => {
    const output = [];
    const stdio =
      heard === "always" ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"];
    const child = spawn(program, words, { cwd, stdio, env: environment });
    child.stdout?.on("data", (chunk) => output.push(chunk));
    child.stderr?.on("data", (chunk) => output.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0 || heard === "afterwards") process.stdout.write(Buffer.concat(output));
      resolve({ ok: code === 0 });
    });
  });
}

/** What the tools may see of this process: no agent, no telemetry, no color in a file. */
function testEnvironment() {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" };
  if (!process.stdout.isTTY) env.NO_COLOR = "1";
  delete env.SSH_AUTH_SOCK;
  delete env.SSH_AGENT_PID;
  return env;
}

/** Prints one line per step and, as the last line of all, what passed and what failed. */
function summarize(steps) {
  let passed = 0;
  let failed = 0;
  process.stdout.write("\n━━ summary\n");
  for (const { name, seconds, ok, tests: count } of steps) {
    passed += count?.passed ?? (ok ? 1 : 0);
    failed += count?.failed ?? (ok ? 0 : 1);
    const counts = count
      ? `  ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`
      : "";
    const line = `${ok ? "✓" : "✗"} ${name.padEnd(24)} ${seconds.toFixed(1).padStart(7)} s${counts}`;
    process.stdout.write(`${line}\n`);
  }
  for (const failure of steps.flatMap((step) => step.failures ?? [])) {
    process.stdout.write(`✗ ${failure}\n`);
  }
  if (environment.LOCKSTEP_TEST === "sandbox") {
    process.stdout.write(`not run (LOCKSTEP_TEST=sandbox):\n`);
    for (const suite of realSuites()) process.stdout.write(`  - ${suite}\n`);
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return { failed };
}
