#!/usr/bin/env node
// What systemd and a socket would be on a real host: `shopctl restart` in a release's folder starts its
// service on a free port, waits until it answers, tells the front door, and only then ends the old one.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_MS = 15_000;
const LAST_REQUESTS_MS = 250; // the front door may just have read the old port

const release = process.cwd(); // the release itself: a process never works in a link
const folder = join(process.env.HOME, "run");
const state = join(folder, "live.json");

if (process.argv[2] !== "restart") {
  process.stderr.write("usage: shopctl restart\n");
  process.exit(2);
}
await restart();

async function restart() {
  mkdirSync(folder, { recursive: true });
  const before = read();
  const started = await start();
  writeFileSync(`${state}.next`, JSON.stringify(started));
  renameSync(`${state}.next`, state);
  process.stdout.write(`${basename(release)} serves on port ${started.port}\n`);
  if (before === undefined) return;
  await sleep(LAST_REQUESTS_MS);
  dismiss(before.pid);
}

async function start() {
  const log = join(folder, `${basename(release)}.${process.pid}.log`);
  const output = openSync(log, "a");
  const words = [join(release, "server.mjs"), "--port", "0"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", output, output] });
  closeSync(output);
  const deadline = Date.now() + START_MS;
  while (child.exitCode === null && Date.now() < deadline) {
    const port = /listens on port (\d+)/.exec(readFileSync(log, "utf8"))?.[1];
    if (port !== undefined) {
      child.unref();
      return { pid: child.pid, port: Number(port), release: basename(release) };
    }
    await sleep(20);
  }
  child.kill("SIGKILL");
  throw new Error(`the service did not start:\n${readFileSync(log, "utf8")}`);
}

/** It answers what it was asked, and then ends by itself. */
function dismiss(pid) {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // gone already
  }
}

function read() {
  try {
    return JSON.parse(readFileSync(state, "utf8"));
  } catch {
    return undefined;
  }
}
