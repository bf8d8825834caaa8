import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { ended, type Rig, serviceOf, SSH, startRig } from "./rig.ts";

const PRELOAD = fileURLToPath(new URL("kill-points.mjs", import.meta.url));

/** The runs that are killed. */
export const KINDS = ["deploy", "failing deploy", "rollback"] as const;

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/** Three hosts with two releases, so that there is something to roll back to. */
export async function sweepRig(): Promise<Rig> {
  const rig = await startRig();
  await rig.configure("service: true");
  for (let releases = 0; releases < 2; releases += 1) {
    await nextEdition(rig);
    await rig.mustDeploy();
  }
  return rig;
}

let editions = 0;

/** Builds the next artifact; with a host's name it is broken there. */
export async function nextEdition(rig: Rig, brokenOn = ""): Promise<void> {
  editions += 1;
  await writeFile(join(rig.build, "edition.txt"), `${editions}\n`);
  await writeFile(join(rig.build, "broken-on"), brokenOn);
}

/** Names of all points at which a run of this kind can be killed, in the order of one that is not. */
export async function pointsOf(rig: Rig, kind: Kind): Promise<readonly string[]> {
  const { points, exit } = await runKilled(rig, kind, undefined);
  expect(exit).toBe(kind === "failing deploy" ? 31 : 0);
  return points;
}

/**
 * Kills a run at a point, recovers, and looks with other eyes than Lockstep's.
 *
 * @returns Whether it was killed: in another order of things the point may never have come.
 */
export async function killAndRecover(rig: Rig, kind: Kind, point: number): Promise<boolean> {
  const before = await seenBy(rig);
  const { points, exit } = await runKilled(rig, kind, point);
  const where = `${kind} killed at ${point}: ${points.at(-1) ?? "?"}`;
  await untilQuiet(rig);
  const killed = await seenBy(rig);
  const { openRun } = await statusOf(rig);
  if (openRun !== undefined) {
    const blocked = await rig.lockstep("deploy", "-e", "production", "-y");
    expect([blocked.exit, await seenBy(rig)], where).toEqual([25, killed]);
  }
  const isCommitted = openRun !== undefined && (await isCommit(rig, openRun.run));

  const recovered = await rig.lockstep("recover", "-e", "production");

  expect(recovered.exit, `${where}\n${recovered.stderr}`).toBe(0);
  const after = await seenBy(rig);
  const releases = after.map(({ link }) => link);
  expect(new Set(releases).size, where).toBe(1);
  expect(
    after.map(({ served }) => served),
    where,
  ).toEqual(releases);
  if (openRun !== undefined) expect(releases[0] !== before[0]?.link, where).toBe(isCommitted);
  expect(await stagedOnly(rig, before, releases[0]), where).toEqual([]);
  expect((await statusOf(rig)).live, where).toEqual(releases);
  // A rollback that stays leaves nothing to roll back from; else the next run shows that runs go on.
  if (isCommitted || point % 5 === 0) {
    await nextEdition(rig);
    await rig.mustDeploy();
  }
  return exit === null;
}

/** What a host serves, read from its link, its service and that process. */
interface SeenHost {
  readonly link: string | null;
  /** The release the service says, where its process agrees. */
  readonly served: string | null;
  readonly releases: readonly string[];
}

async function seenBy(rig: Rig): Promise<readonly SeenHost[]> {
  const [links, kept] = [await rig.links(), await rig.kept()];
  return Promise.all(
    rig.hosts.map(async (host, index) => {
      const service = await serviceOf(host);
      const agrees = service?.folder.endsWith(`/releases/${service.release}`) === true;
      return {
        link: links[index] ?? null,
        served: agrees ? `releases/${service.release}` : null,
        releases: kept[index]?.releases ?? [],
      };
    }),
  );
}

/** Releases that are there, were not before, and are not live: a recover leaves none. */
async function stagedOnly(
  rig: Rig,
  before: readonly SeenHost[],
  live: string | null | undefined,
): Promise<string[]> {
  const now = await seenBy(rig);
  return now.flatMap(({ releases }, index) =>
    releases.filter(
      (id) => `releases/${id}` !== live && before[index]?.releases.includes(id) !== true,
    ),
  );
}

async function runKilled(
  rig: Rig,
  kind: Kind,
  point: number | undefined,
): Promise<{ readonly points: readonly string[]; readonly exit: number | null }> {
  if (kind !== "rollback") await nextEdition(rig, kind === "deploy" ? "" : "web-2");
  const log = join(rig.folder, "points.log");
  await rm(log, { force: true });
  const words = [kind === "rollback" ? "rollback" : "deploy", "-e", "production", "-y"];
  const child = rig.startWith(
    {
      node: ["--import", PRELOAD],
      env: { KILL_AT: String(point ?? -1), KILL_LOG: log, KILL_SSH: join(SSH, "package.json") },
    },
    ...words,
  );
  const { exit } = await ended(child);
  const text = await readFile(log, "utf8").catch(() => "");
  return { points: text.split("\n").filter((line) => line !== ""), exit };
}

interface OpenRun {
  readonly run: string;
}

async function statusOf(
  rig: Rig,
): Promise<{ readonly openRun?: OpenRun; readonly live: readonly (string | null)[] }> {
  const { stdout } = await rig.lockstep("status", "-e", "production", "--output", "json");
  const { openRun, live } = JSON.parse(stdout) as {
    openRun?: OpenRun;
    live: Record<string, readonly { ref: { release: string } | null }[]>;
  };
  const refs = rig.hosts.map(({ name }) => live[name]?.[0]?.ref);
  return {
    ...(openRun === undefined ? {} : { openRun }),
    live: refs.map((ref) => (ref == null ? null : `releases/${ref.release}`)),
  };
}

/** Whether a run was decided to stay, by its own records. */
async function isCommit(rig: Rig, run: string): Promise<boolean> {
  const folder = join(rig.project, ".lockstep/runs", run);
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(".")) continue;
    const { type, body } = JSON.parse(await readFile(join(folder, name), "utf8")) as {
      readonly type: string;
      readonly body: { readonly verdict?: string };
    };
    if (type === "decision") return body.verdict === "commit";
  }
  return false;
}

/** Looks without a change after which hosts count as quiet, 50 ms apart. */
const QUIET = 6;

/** The same while a host serves something else than its link says: a restart may be on its way. */
const QUIET_BETWEEN = 80;

/** Commands outlive their connection: what was under way on the hosts comes to its end. */
async function untilQuiet(rig: Rig): Promise<void> {
  let [last, same, enough] = ["", 0, QUIET];
  while (same < enough) {
    await sleep(50);
    const seen = await seenBy(rig);
    const now = JSON.stringify(seen);
    enough = seen.every(({ link, served }) => link === served) ? QUIET : QUIET_BETWEEN;
    same = now === last ? same + 1 : 0;
    last = now;
  }
}
