import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SandboxS3 } from "@lockstep/testkit";
import { expect } from "vitest";
import { lockstep, newShop, type Said, type Shop } from "../shop.ts";

const PRODUCTION = ["-e", "production"];
const BUILDS = Array.from({ length: 10 }, (_, index) => `build${index}`);

const program = promisify(execFile);

/** Time of the oldest commit, in seconds since 1970. */
const FIRST_S = 1_763_700_000;

/** A server with the buckets `shop` and `state`. */
export type Buckets = Pick<SandboxS3, "endpoint" | "region" | "credentials">;

/** How a build is made. */
export interface Building {
  readonly name: string;
  readonly server: Buckets;
  readonly ttlMs?: number;
  /** Options of the site besides, as they are written. */
  readonly options?: string;
  /** Time of its commit, in seconds since 1970; without it, it is of no commit of its own. */
  readonly committedAt?: number;
}

/** One build of a site, and its own way to deploy it. */
export interface Build {
  readonly name: string;
  readonly cwd: string;
  /** Path of its script, which its pages name. */
  readonly script: string;
  /** Text of its pages. */
  readonly page: string;
  lockstep(words: readonly string[]): Promise<Said>;
}

/** One build of a site, with a config of its own: the same bucket, and the same state in it. */
export async function build(
  { folder }: Shop,
  { name, server, ttlMs = 60_000, options = "", committedAt }: Building,
): Promise<Build> {
  const cwd = join(folder, name);
  await mkdir(join(cwd, "dist/assets"), { recursive: true });
  const script = `assets/app.${Buffer.from(name.padEnd(8, "0")).toString("hex")}.js`;
  const page = `<!doctype html><title>${name}</title><script src="/${script}"></script>`;
  await writeFile(join(cwd, "dist", script), `console.log("${name}")`);
  await writeFile(join(cwd, "dist/index.html"), page);
  await writeFile(join(cwd, "dist/about.html"), page);
  await writeFile(join(cwd, "lockstep.config.ts"), configOf(server, ttlMs, options));
  if (committedAt !== undefined) await commit(cwd, committedAt);
  return {
    name,
    cwd,
    script,
    page,
    lockstep: (words) =>
      lockstep([...words, ...PRODUCTION], {
        cwd,
        env: { S3_SECRET: server.credentials.secretAccessKey },
      }),
  };
}

/** A repository of its own, with one commit. */
async function commit(cwd: string, seconds: number): Promise<void> {
  const date = `${seconds} +0000`;
  const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  const env = { ...process.env, GIT_COMMITTER_DATE: date, GIT_AUTHOR_DATE: date };
  await program("git", ["init", "-q"], { cwd });
  await program("git", [...who, "commit", "-q", "--allow-empty", "-m", "Build"], { cwd, env });
}

function configOf(
  { endpoint, region, credentials }: Buckets,
  ttlMs: number,
  options: string,
): string {
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
      targets: { site: s3({ ...place, bucket: "shop", source: "dist", ${options} }) },
    },
  },
});
`;
}

interface Entry {
  readonly run: string;
  readonly release: { readonly order?: number };
  readonly result: string;
  readonly outputs: { readonly site: { readonly digest: string } };
}

/** Where ten deployers meet, and how they deploy. */
export interface Meeting {
  readonly server: Buckets;
  /** Whether each build is of a commit of its own, the higher its number the newer. */
  readonly isDated: boolean;
  /** Words after `deploy -y`. */
  readonly words: readonly string[];
  /** What the bucket `shop` holds. */
  texts(): Promise<Readonly<Record<string, string>>>;
}

/**
 * Ten deployers deploy ten builds at once: each is done, or exits with 23 or 35; the history is one
 * order, never from a newer commit to an older one, and all that visitors get is of the build that is its last.
 *
 * @returns The name of that build, the ones with higher numbers being newer.
 */
export async function deployTen({
  server,
  isDated,
  words,
  texts,
}: Meeting): Promise<string | undefined> {
  const shop = await newShop();
  const builds = await Promise.all(
    BUILDS.map((name, index) =>
      build(shop, { name, server, ...(isDated ? { committedAt: FIRST_S + index } : {}) }),
    ),
  );

  const said = await Promise.all(builds.map((one) => one.lockstep(["deploy", "-y", ...words])));

  const exits = said.map(({ exit }) => exit);
  const others = exits.filter((exit) => ![0, 23, 35].includes(exit));
  expect(others, said.map(({ err }) => err).join("\n")).toEqual([]);
  const done = exits.filter((exit) => exit === 0).length;
  expect(done).toBeGreaterThan(0);
  const entries = await historyOf(builds[0]);
  expect(entries.filter(({ result }) => result === "done")).toHaveLength(done);
  const numbers = entries.map(({ run }) => Number(run.split("-")[1]));
  // who finds something newer gives back the lease, and its number is no run's
  const inOrder = [...new Set(numbers)].toSorted((a, b) => b - a);
  expect(numbers).toEqual(isDated ? inOrder : entries.map((_, at) => entries.length - at));
  const live = entries.filter(({ result }) => result === "done");
  const orders = live.map(({ release }) => release.order ?? 0);
  expect(orders).toEqual(orders.toSorted((a, b) => b - a));
  const digest = entries[0]?.outputs.site.digest ?? "";
  return expectLive(builds, { digest, live: await texts() });
}

async function historyOf(one: Build | undefined): Promise<Entry[]> {
  const history = await one?.lockstep(["history", "--limit", "50", "--output", "json"]);
  expect((await one?.lockstep(["history", "--verify"]))?.exit).toBe(0);
  return JSON.parse(history?.out ?? "[]") as Entry[];
}

/** All that visitors get is of one build, that of the digest, and nothing of it is missing. */
async function expectLive(
  builds: readonly Build[],
  { digest, live }: { readonly digest: string; readonly live: Readonly<Record<string, string>> },
): Promise<string | undefined> {
  const winner = builds.find(({ page }) => page === live["index.html"]);
  expect(live["about.html"]).toBe(winner?.page);
  expect(live[winner?.script ?? ""]).toBe(`console.log("${winner?.name}")`);
  expect(live[".lockstep/current.json"]).toContain(`"live":"${digest}"`);
  expect((await winner?.lockstep(["plan"]))?.out).toContain("0 targets to change, 1 unchanged.");
  return winner?.name;
}
