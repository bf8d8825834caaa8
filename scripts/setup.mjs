// Behind `npm start` and `npm test`: needs Node 20 and npm, brings everything else.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { install, missing, reasonNotToInstall } from "./services.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const [verb, ...rest] = process.argv.slice(2);

process.chdir(ROOT);
requireNode(20);
if (verb === "start") start();
else if (verb === "test") test();
else stop(2, "usage: node scripts/setup.mjs start|test");

function start() {
  installPackages();
  process.stderr.write("Building...\n");
  pnpm(["exec", "turbo", "run", "build", "--filter=@lockstep/demo^..."], { isQuiet: true });
  toolchain(["node", "apps/demo/src/main.ts", ...rest]);
}

function test() {
  if (process.env.LOCKSTEP_TEST !== "sandbox") prepareServices();
  installPackages();
  toolchain(["node", "scripts/check.mjs", ...rest]);
}

/** Installs what the suites need of this machine, or says which suites cannot run and ends. */
function prepareServices() {
  const reason = reasonNotToInstall();
  if (reason === undefined) install(missing());

  const still = missing();
  if (still.length === 0) return;
  const why = reason ?? "apt-get installed the packages, and they are still not found";
  const suites = [...new Set(still.flatMap((need) => need.suites))];
  stop(
    1,
    `These suites cannot run here (${why}):`,
    ...suites.map((suite) => `  - ${suite}`),
    `Missing: ${still.map((need) => need.name).join(", ")}.`,
    "Run `npm test` as root on Debian or Ubuntu, or set LOCKSTEP_TEST=sandbox to run everything else.",
  );
}

/** Installs the npm packages, unless node_modules is what the lockfile says already. */
function installPackages() {
  if (isInstalled()) return;
  pnpm(["install", "--frozen-lockfile"]);
}

/** pnpm copies the lockfile into node_modules as the last act of an install. */
function isInstalled() {
  const installed = "node_modules/.pnpm/lock.yaml";
  if (!existsSync(installed)) return false;
  return readFileSync(installed).equals(readFileSync("pnpm-lock.yaml"));
}

/** Runs a command with the project's own Node and tools first on PATH. */
function toolchain(words) {
  pnpm(["exec", ...words]);
}

/** Runs the pnpm that package.json names, and ends with its exit code when it fails; a quiet one is heard only then. */
function pnpm(words, { isQuiet = false } = {}) {
  const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"));
  const env = {
    ...process.env,
    TURBO_TELEMETRY_DISABLED: "1",
    npm_config_update_notifier: "false",
  };
  const { status, signal, error, stdout, stderr } = spawnSync(
    "npx",
    ["-y", packageManager, ...words],
    {
      stdio: isQuiet ? ["ignore", "pipe", "pipe"] : "inherit",
      maxBuffer: Infinity,
      env,
    },
  );
  if (isQuiet && status !== 0) process.stderr.write(`${stdout}${stderr}`);
  if (error) stop(1, `npx could not be started: ${error.message}`);
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}

function requireNode(major) {
  if (Number.parseInt(process.versions.node, 10) >= major) return;
  stop(1, `Node ${major} or newer is needed to set up; this is ${process.versions.node}.`);
}

function stop(code, ...lines) {
  process.stderr.write(`${lines.join("\n")}\n`);
  process.exit(code);
}
