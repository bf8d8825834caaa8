// How long a first push takes, beside what people use today. Needs root, docker-registry, buildah and skopeo.
// Usage: node --conditions=@lockstep/source bench/push.ts [FOLDER] [TURNS]
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, env, memoryUsage, stdout } from "node:process";
import { promisify } from "node:util";
import { startDistribution } from "@lockstep/testkit";
import { type DirectorySource } from "../src/index.ts";
import { ONE, Shop, TWO } from "../test/world.ts";

const [, , given, turns = "3"] = argv;
const run = promisify(execFile);

const root = await mkdtemp(join(tmpdir(), "lockstep-bench-"));
const work = join(root, "work");
const dist = join(work, "dist");
mkdirSync(dist, { recursive: true });
if (given === undefined) await generate(dist);
else cpSync(given, join(dist, "node_modules"), { recursive: true, verbatimSymlinks: true });
await writeFile(join(dist, "server.js"), "// one\n");

const source: DirectorySource = {
  directory: "dist",
  base: "scratch",
  allow: ["secrets", "links", "twins", "names"],
};
const times: Record<string, number[]> = {};
const server = await startDistribution({ folder: join(root, "registry") });
try {
  for (let turn = 0; turn < Number(turns); turn += 1) {
    await timed("lockstep", () => lockstep(`${server.host}/bench/lockstep-${turn}`));
    await timed("buildah (commit, push)", () => buildah(`${server.host}/bench/buildah-${turn}`));
    await timed("tar | gzip -4, skopeo copy", () => skopeo(`${server.host}/bench/skopeo-${turn}`));
  }
  await codeChange(`${server.host}/bench/lockstep-0`);
} finally {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
}
const best = Object.entries(times).map(([name, all]) => [name, Math.min(...all)] as const);
for (const [name, ms] of best)
  stdout.write(`${name}: best of ${turns} ${(ms / 1000).toFixed(2)} s\n`);
stdout.write(`memory of this process at most: ${Math.round(peak() / 1024)} MiB\n`);

async function timed(name: string, act: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await act();
  (times[name] ??= []).push(performance.now() - start);
  stdout.write(`${name}: ${((performance.now() - start) / 1000).toFixed(2)} s\n`);
}

async function lockstep(repository: string): Promise<void> {
  const shop = await Shop.open({ repository, source }, { folder: work });
  const plan = await shop.plan(ONE);
  for (const step of plan.steps.slice(0, 2)) await shop.apply(step);
  await shop.connection[Symbol.asyncDispose]();
}

async function buildah(image: string): Promise<void> {
  const storage = [
    "--root",
    join(root, "buildah"),
    "--runroot",
    join(root, "buildah-run"),
    "--storage-driver",
    "vfs",
  ];
  const name = (await run("buildah", [...storage, "from", "scratch"])).stdout.trim();
  await run("buildah", [...storage, "copy", name, dist, "/app"]);
  await run("buildah", [...storage, "commit", "--format", "oci", name, image]);
  await run("buildah", [...storage, "push", "--tls-verify=false", image]);
}

/** The same content in one layer of a docker-archive-like layout, pushed by skopeo. */
async function skopeo(image: string): Promise<void> {
  const script = `set -eu
    rm -rf "$W" && mkdir -p "$W/blobs/sha256" && cd "$W"
    tar -C "$D" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - . | tee layer.tar | gzip -n -4 > layer.gz
    L=$(sha256sum < layer.gz | cut -c1-64); T=$(sha256sum < layer.tar | cut -c1-64); rm layer.tar
    S=$(stat -c %s layer.gz); mv layer.gz blobs/sha256/$L
    printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $T > c
    C=$(sha256sum < c | cut -c1-64); CS=$(stat -c %s c); mv c blobs/sha256/$C
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%s}]}' $C $CS $L $S > m
    M=$(sha256sum < m | cut -c1-64); MS=$(stat -c %s m); mv m blobs/sha256/$M
    printf '{"imageLayoutVersion":"1.0.0"}' > oci-layout
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s}]}' $M $MS > index.json`;
  const { status, stderr } = spawnSync("sh", ["-c", script], {
    env: { ...env, W: join(root, "layout"), D: dist },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  await run("skopeo", [
    "copy",
    "--dest-tls-verify=false",
    `oci:${join(root, "layout")}`,
    `docker://${image}`,
  ]);
}

/** What a change of one file costs once the image is there. */
async function codeChange(repository: string): Promise<void> {
  await writeFile(join(dist, "server.js"), "// two\n");
  const shop = await Shop.open({ repository, source }, { folder: work });
  const start = performance.now();
  const plan = await shop.plan(TWO);
  for (const step of plan.steps.slice(0, 2)) await shop.apply(step);
  await shop.check(plan);
  const sent = plan.changes.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  stdout.write(
    `change of one file: ${seconds} s, ${shop.connection.requests} requests, ${sent} bytes of blobs\n`,
  );
  await shop.connection[Symbol.asyncDispose]();
}

/** 150 MB of text that compresses about as well as code does. */
async function generate(folder: string): Promise<void> {
  const words = Array.from({ length: 4000 }, (_, index) =>
    ((index * 2_654_435_761) >>> 0).toString(36),
  );
  let state = 1;
  for (let file = 0; file < 1500; file += 1) {
    let text = "";
    while (text.length < 100_000) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      text += `${words[(state >>> 8) % words.length]}${(state & 15) === 0 ? ";\n" : " "}`;
    }
    const home = join(folder, "node_modules", `package-${file % 100}`);
    mkdirSync(home, { recursive: true });
    await writeFile(join(home, `${file}.js`), text);
  }
}

/** Most memory this process ever held, in KiB. */
function peak(): number {
  const { maxRSS } = process.resourceUsage();
  return Math.max(maxRSS, memoryUsage().rss / 1024);
}
