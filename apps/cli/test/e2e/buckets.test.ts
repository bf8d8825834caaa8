import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type S3Quirks, type S3Request, type SandboxS3, startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it, vi } from "vitest";
import { lockstep, newShop, type Said, type Shop } from "../shop.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const PRODUCTION = ["-e", "production"];
const BUILDS = Array.from({ length: 10 }, (_, index) => `build${index}`);

interface Building {
  readonly name: string;
  readonly server: SandboxS3;
  readonly ttlMs?: number;
}

/** One build of a site, with a config of its own: the same bucket, and the same state in it. */
async function build({ folder }: Shop, { name, server, ttlMs = 60_000 }: Building) {
  const cwd = join(folder, name);
  await mkdir(join(cwd, "dist/assets"), { recursive: true });
  const script = `assets/app.${Buffer.from(name.padEnd(8, "0")).toString("hex")}.js`;
  const page = `<!doctype html><title>${name}</title><script src="/${script}"></script>`;
  await writeFile(join(cwd, "dist", script), `console.log("${name}")`);
  await writeFile(join(cwd, "dist/index.html"), page);
  await writeFile(join(cwd, "dist/about.html"), page);
  await writeFile(join(cwd, "lockstep.config.ts"), configOf(server, ttlMs));
  return {
    name,
    cwd,
    script,
    page,
    lockstep: (words: readonly string[]): Promise<Said> =>
      lockstep([...words, ...PRODUCTION], {
        cwd,
        env: { S3_SECRET: server.credentials.secretAccessKey },
      }),
  };
}

function configOf({ endpoint, region, credentials }: SandboxS3, ttlMs: number): string {
  return `
import { defineConfig, secret } from "lockstep";
import { s3, s3Store } from "@lockstep/s3";

const place = {
  endpoint: "${endpoint}",
  region: "${region}",
  credentials: { accessKeyId: "${credentials.accessKeyId}", secretAccessKey: secret("S3_SECRET") },
};
export default defineConfig({
  project: "shop",
  environments: {
    production: {
      store: s3Store({ ...place, bucket: "state", prefix: "production/", ttlMs: ${ttlMs} }),
      targets: { site: s3({ ...place, bucket: "shop", source: "dist" }) },
    },
  },
});
`;
}

interface Entry {
  readonly run: string;
  readonly result: string;
  readonly outputs: { readonly site: { readonly digest: string } };
}

describe("ten deployers of ten builds, with their state in a bucket", () => {
  const WAYS: readonly (readonly [string, S3Quirks, readonly string[]])[] = [
    ["that do not wait: who was not first is told so", {}, []],
    ["that wait: all take turns", { unquotedIfMatch: true }, ["--lock-wait", "2m"]],
  ];

  it.each(WAYS)(
    "%s; the last of the history is live, and whole",
    async (_, quirks, words) => {
      await using server = await startSandboxS3({ buckets: ["shop", "state"], quirks });
      // a store is opened outside of a run, and asks this process
      vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
      const shop = await newShop();
      const builds = await Promise.all(BUILDS.map((name) => build(shop, { name, server })));

      const said = await Promise.all(builds.map((one) => one.lockstep(["deploy", "-y", ...words])));

      const exits = said.map(({ exit }) => exit);
      const others = exits.filter((exit) => ![0, 23, 35].includes(exit));
      expect(others, said.map(({ err }) => err).join("\n")).toEqual([]);
      const done = exits.filter((exit) => exit === 0).length;
      expect(done).toBeGreaterThan(0);
      const entries = await historyOf(builds[0]);
      expect(entries.filter(({ result }) => result === "done")).toHaveLength(done);
      expect(entries.map(({ run }) => Number(run.split("-")[1]))).toEqual(
        entries.map((_entry, index) => entries.length - index),
      );
      await expectLive(server, builds, entries[0]);
    },
    120_000,
  );
});

describe("a deployer that sleeps longer than its lease", () => {
  it("is put back by another, and writes nothing when it wakes, exit 35", async () => {
    let seen: (request: S3Request) => void = () => {};
    await using server = await startSandboxS3({
      buckets: ["shop", "state"],
      fault(request) {
        seen(request);
        return undefined;
      },
    });
    vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
    const shop = await newShop();
    const [one, two] = [
      await build(shop, { name: "one", server, ttlMs: 2000 }),
      await build(shop, { name: "two", server, ttlMs: 2000 }),
    ];
    expect((await one.lockstep(["deploy", "-y"])).exit).toBe(0);
    const words = ["--conditions=@lockstep/source", MAIN, "deploy", "-y", ...PRODUCTION];
    const child = spawn(process.execPath, words, { cwd: two.cwd, stdio: "ignore" });
    const ended = once(child, "close");
    const asleep = new Promise<void>((resolve) => {
      seen = ({ method, bucket, key }) => {
        if (method !== "PUT" || bucket !== "shop" || !key.startsWith("assets/")) return;
        child.kill("SIGSTOP");
        seen = () => {};
        resolve();
      };
    });
    await Promise.race([asleep, ended]);

    const taken = await one.lockstep(["recover", "--lock-wait", "1m"]).finally(() => {
      if (child.exitCode === null) child.kill("SIGCONT");
    });
    const before = textsIn(server);
    const [exit] = (await ended) as [number | null];

    expect(taken.exit, taken.err).toBe(0);
    expect(exit).toBe(35);
    expect(textsIn(server)).toEqual(before);
    expect(before["index.html"]).toBe(one.page);
    expect((await one.lockstep(["plan"])).out).toContain("1 unchanged.");
  }, 120_000);
});

describe("a deploy with its state in a bucket", () => {
  it("asks 14 times when nothing changed, and 33 times for one page, lease and journal included", async () => {
    await using server = await startSandboxS3({ buckets: ["shop", "state"] });
    vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
    const one = await build(await newShop(), { name: "one", server });
    const asked = async (words: readonly string[]) => {
      const first = server.requests.length;
      const { exit, err } = await one.lockstep(words);
      expect(exit, err).toBe(0);
      const requests = server.requests.slice(first);
      const of = (bucket: string): number =>
        requests.filter((request) => request.bucket === bucket).length;
      return { site: of("shop"), state: of("state") };
    };
    await asked(["deploy", "-y"]);
    const idle = await asked(["deploy", "-y"]);
    await writeFile(join(one.cwd, "dist/about.html"), `${one.page}<p>More`);
    const changed = await asked(["deploy", "-y"]);

    expect(idle).toEqual({ site: 1, state: 13 });
    // ten of the target, and two looks of the runner: at the barrier, and when it has ended
    expect(changed).toEqual({ site: 12, state: 21 });
  });
});

type Build = Awaited<ReturnType<typeof build>>;

async function historyOf(one: Build | undefined): Promise<Entry[]> {
  const history = await one?.lockstep(["history", "--limit", "50", "--output", "json"]);
  expect((await one?.lockstep(["history", "--verify"]))?.exit).toBe(0);
  return JSON.parse(history?.out ?? "[]") as Entry[];
}

/** All that visitors get is of one build, that of the run named, and nothing of it is missing. */
async function expectLive(
  server: SandboxS3,
  builds: readonly Build[],
  last: Entry | undefined,
): Promise<void> {
  const live = textsIn(server);
  const winner = builds.find(({ page }) => page === live["index.html"]);
  expect(live["about.html"]).toBe(winner?.page);
  expect(live[winner?.script ?? ""]).toBe(`console.log("${winner?.name}")`);
  expect(live[".lockstep/current.json"]).toContain(`"live":"${last?.outputs.site.digest}"`);
  expect((await winner?.lockstep(["plan"]))?.out).toContain("0 targets to change, 1 unchanged.");
}

function textsIn(server: SandboxS3): Record<string, string> {
  const objects = server.buckets.get("shop") ?? new Map();
  return Object.fromEntries(
    [...objects].map(([key, { body }]) => [key, Buffer.from(body).toString()]),
  );
}
