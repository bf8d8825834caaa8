// The first deploy of many small pages, beside `aws s3 sync` and `rclone`, and what a deploy without changes takes.
// node --conditions=@lockstep/source bench/cold.ts [files] [milliseconds of a round trip]
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, cpuUsage, env, execPath, resourceUsage, stdout } from "node:process";
import { Rig } from "../test/rig.ts";

const [, , files = "10000", delay = "50"] = argv;
const path = await mkdtemp(join(tmpdir(), "lockstep-bench-"));
const account = { AWS_ACCESS_KEY_ID: "KEY", AWS_SECRET_ACCESS_KEY: "SECRET", AWS_REGION: "eu-1" };

/** Runs something against a fresh sink. */
async function against(act: (port: string) => Promise<void>): Promise<void> {
  const sink = spawn(execPath, [join(import.meta.dirname, "sink.ts"), delay], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(sink.stdout, "data")) as [Buffer];
  try {
    await act(port.toString().trim());
  } finally {
    sink.kill();
  }
}

async function timed(name: string, act: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await act();
  stdout.write(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}

/** Another tool, where it is installed. */
async function program(name: string, words: readonly string[]): Promise<void> {
  const child = spawn(name, words, {
    stdio: "ignore",
    env: { PATH: env["PATH"], HOME: path, ...account },
  });
  const [status] = (await once(child, "exit").catch(() => ["not installed"])) as [unknown];
  if (status !== 0) stdout.write(`${name} ended with ${String(status)}\n`);
}

const body = randomBytes(2048).toString("hex").slice(0, 4000);
for (let n = 0; n < Number(files); n += 1) {
  const folder = join(path, "dist", `d${n % 100}`);
  if (n < 100) await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `p${n}.html`), `<!doctype html><title>${n}</title>${body}`);
}

await against(async (port) => {
  const server = {
    endpoint: `http://127.0.0.1:${port}`,
    region: "eu-1",
    credentials: { accessKeyId: "KEY", secretAccessKey: "SECRET" },
  };
  const folder = { path, build: async (): Promise<void> => {} };
  await using rig = await Rig.join({ server, folder });
  const before = cpuUsage();
  await timed("lockstep", async () => void (await rig.deploy()));
  const { user, system } = cpuUsage(before);
  // the target alone: the command keeps its heap smaller, which test/e2e/memory of apps/cli measures
  const mostMiB = Math.round(resourceUsage().maxRSS / 1024);
  stdout.write(
    `  ${((user + system) / 1e6).toFixed(1)} s of processor time, at most ${mostMiB} MiB\n`,
  );
  await timed("lockstep, nothing changed", async () => {
    const { steps } = await rig.plan();
    if (steps.length > 0) throw new Error("something changed");
  });
});
await against((port) =>
  timed("aws s3 sync", () =>
    program("aws", [
      "s3",
      "sync",
      join(path, "dist"),
      "s3://bench",
      "--endpoint-url",
      `http://127.0.0.1:${port}`,
    ]),
  ),
);
await against((port) => {
  const remote = `:s3,provider=Other,env_auth=true,region=eu-1,force_path_style=true,endpoint="http://127.0.0.1:${port}":bench`;
  return timed("rclone, 64 transfers", () =>
    program("rclone", [
      "sync",
      join(path, "dist"),
      remote,
      "--transfers",
      "64",
      "--checkers",
      "64",
    ]),
  );
});
await rm(path, { recursive: true, force: true });
