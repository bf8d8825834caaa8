// How much memory a deploy takes that pushes one layer of 1 GiB. Needs docker-registry and the built CLI.
// Usage: node --conditions=@lockstep/source bench/memory.ts
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath, stdout } from "node:process";
import { startDistribution } from "@lockstep/testkit";

const CLI = join(import.meta.dirname, "../../../apps/cli");
const PIECE = 1 << 20;

/** Half of it compresses, half of it does not. */
async function writeLarge(path: string): Promise<void> {
  await using file = await open(path, "w");
  const piece = Buffer.alloc(PIECE);
  let state = 1;
  for (let count = 0; count < 1024; count += 1) {
    for (let at = 0; at < PIECE / 2; at += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      piece.writeUInt32LE(state, at);
    }
    await file.write(piece);
  }
}

/** The most memory a process has used so far, in bytes; 0 when it is gone. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

const root = await mkdtemp(join(tmpdir(), "lockstep-memory-"));
const server = await startDistribution({ folder: join(root, "registry") });
try {
  const modules = join(root, "node_modules");
  await mkdir(join(modules, "@lockstep"), { recursive: true });
  await mkdir(join(root, "build"));
  await symlink(CLI, join(modules, "lockstep"));
  await symlink(join(import.meta.dirname, ".."), join(modules, "@lockstep/registry"));
  await writeLarge(join(root, "build/large.bin"));
  const options = `{ repository: "${server.host}/bench/memory", source: { directory: "build", base: "scratch" }, network: { plainHttp: true } }`;
  await writeFile(
    join(root, "lockstep.config.mjs"),
    `import { defineConfig, localStore } from "lockstep";
import { registry } from "@lockstep/registry";
export default defineConfig({ project: "memory", environments: { production: { store: localStore(), targets: { image: registry(${options}) } } } });
`,
  );
  const start = performance.now();
  const words = [join(CLI, "dist/main.js"), "deploy", "-e", "production", "-y"];
  const child = spawn(execPath, words, {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    env: { PATH: env["PATH"], HOME: root, CI: "true" },
  });
  let peak = 0;
  const polling = setInterval(() => {
    void peakOf(child.pid ?? 0).then((bytes) => (peak = Math.max(peak, bytes)));
  }, 50);
  const [exit] = (await once(child, "exit")) as [number | null];
  clearInterval(polling);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  stdout.write(`1 GiB layer: exit ${exit}, ${seconds} s, at most ${(peak / 1e6).toFixed(0)} MB\n`);
} finally {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
}
