import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ownRig } from "./own-rig.ts";
import { ended, type Rig, serviceOf } from "./rig.ts";

let rig: Rig;
let editions = 0;

const FILLING_BYTES = 20 << 20;

ownRig(async (made) => {
  rig = made;
  await rig.configure("service: true");
  await nextEdition();
  await rig.mustDeploy();
});

async function nextEdition(brokenOn = ""): Promise<void> {
  editions += 1;
  // Large enough that an upload can be met while it goes on.
  const filling = Buffer.alloc(FILLING_BYTES, `edition ${editions} `);
  await writeFile(join(rig.build, "filling.bin"), filling);
  await writeFile(join(rig.build, "edition.txt"), `${editions}\n`);
  await writeFile(join(rig.build, "broken-on"), brokenOn);
}

/** Types of the journal's records of the newest run, in order. */
async function recordsOfNewestRun(known: number): Promise<string[]> {
  const runs = await readdir(join(rig.project, ".lockstep/runs")).catch(() => []);
  const newest = runs.toSorted((left, right) => left.localeCompare(right)).at(-1);
  if (newest === undefined || runs.length <= known) return [];
  const folder = join(rig.project, ".lockstep/runs", newest);
  const texts = await Promise.all(
    (await readdir(folder))
      .toSorted()
      .map((name) => readFile(join(folder, name), "utf8").catch(() => "{}")),
  );
  return texts.map((text) => {
    const { type, body } = JSON.parse(text) as {
      type: string;
      body: { phase?: string; verdict?: string };
    };
    return [type, body.phase ?? body.verdict].filter((word) => word !== undefined).join(" ");
  });
}

interface Moment {
  readonly title: string;
  readonly brokenOn?: string;
  /** True when the process is to be killed now. */
  is(
    records: readonly string[],
    seen: { readonly moved: number; readonly lease: boolean; readonly arriving: boolean },
  ): boolean;
  /** What recover makes of it. */
  readonly ends: "old" | "new";
}

const count = (records: readonly string[], type: string): number =>
  records.filter((record) => record === type).length;

const MOMENTS: readonly Moment[] = [
  { title: "once it holds the lease", is: (_, { lease }) => lease, ends: "old" },
  { title: "during an upload", is: (_, { arriving }) => arriving, ends: "old" },
  {
    title: "when one host has staged",
    is: (records) => count(records, "applied") >= 1,
    ends: "old",
  },
  { title: "at the barrier", is: (records) => records.includes("barrier"), ends: "old" },
  { title: "when the first pointer moved", is: (_, { moved }) => moved >= 1, ends: "old" },
  { title: "when all pointers moved", is: (_, { moved }) => moved === 3, ends: "old" },
  {
    title: "after the decision to commit",
    is: (records) => records.includes("decision commit"),
    ends: "new",
  },
  {
    title: "while it puts a broken release back",
    brokenOn: "web-2",
    is: (records) => records.includes("decision abort"),
    ends: "old",
  },
];

describe("a deploy that is killed with SIGKILL", () => {
  it.each(MOMENTS)(
    "$title blocks the next deploy, and recover ends it: $ends",
    async ({ brokenOn, is, ends }) => {
      const old = await rig.links();
      const kept = await rig.kept();
      const known = (await readdir(join(rig.project, ".lockstep/runs"))).length;
      await nextEdition(brokenOn);
      const child = rig.start("deploy", "-e", "production", "-y");
      const end = ended(child);
      await untilMoment(is, { old, known });
      child.kill("SIGKILL");
      const { exit } = await end;
      await untilQuiet();
      const killed = await rig.links();

      const blocked = await rig.lockstep("deploy", "-e", "production", "-y");
      const untouched = await rig.links();
      const recovered = await rig.lockstep("recover", "-e", "production");
      const links = await rig.links();
      const left = await rig.kept();
      const services = await Promise.all(rig.hosts.map(serviceOf));
      const status = await rig.lockstep(
        "status",
        "-e",
        "production",
        "--output",
        "json",
        "--detailed-exit-code",
      );

      expect(exit).toBe(null);
      expect([blocked.exit, blocked.stderr]).toEqual([25, expect.stringContaining("RUN_OPEN")]);
      expect(untouched).toEqual(killed);
      expect(recovered.exit, recovered.stderr).toBe(0);
      expect(new Set(links).size).toBe(1);
      expect(links[0] === old[0]).toBe(ends === "old");
      expect(left.map((host, index) => onlyIn(host.releases, kept[index]?.releases))).toEqual(
        rig.hosts.map(() => (ends === "old" ? [] : [links[0]?.replace("releases/", "")])),
      );
      expect(left.map(({ meta }) => meta)).toEqual(left.map(({ releases }) => releases));
      expect(services.map((service) => `releases/${service?.release ?? ""}`)).toEqual(links);
      expect(status.exit).toBe(0);
      const { live } = JSON.parse(status.stdout) as {
        live: Record<string, { ref: { release: string } }[]>;
      };
      expect(Object.values(live).map(([unit]) => `releases/${unit?.ref.release ?? ""}`)).toEqual(
        links,
      );

      await nextEdition();
      expect((await rig.lockstep("deploy", "-e", "production", "-y")).exit).toBe(0);
      expect(await rig.links()).not.toEqual(links);
    },
    60_000,
  );
});

function onlyIn(all: readonly string[], known: readonly string[] = []): string[] {
  return all.filter((one) => !known.includes(one));
}

async function untilMoment(
  is: Moment["is"],
  { old, known }: { readonly old: readonly (string | null)[]; readonly known: number },
): Promise<void> {
  const lease = join(rig.project, ".lockstep/leases/.production");
  const versions = (await readdir(lease)).length;
  for (let tries = 0; tries < 4000; tries += 1) {
    const records = await recordsOfNewestRun(known);
    const moved = (await rig.links()).filter((link, index) => link !== old[index]).length;
    const held = (await readdir(lease)).length > versions;
    if (is(records, { moved, lease: held, arriving: await isArriving() })) return;
    await sleep(2);
  }
  throw new Error("the moment never came");
}

/** True when a host has a part of the large file, and not all of it. */
async function isArriving(): Promise<boolean> {
  const kept = await rig.kept();
  const sizes = await Promise.all(
    rig.hosts.flatMap(({ root }, index) =>
      (kept[index]?.releases ?? []).map((id) =>
        stat(join(root, "releases", id, "filling.bin")).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    ),
  );
  return sizes.some((size) => size > 0 && size < FILLING_BYTES);
}

/** Commands outlive their connection: what was under way on the hosts comes to its end. */
async function untilQuiet(): Promise<void> {
  let [links, same] = [JSON.stringify(await rig.links()), 0];
  while (same < 15) {
    await sleep(50);
    const now = JSON.stringify([await rig.links(), await Promise.all(rig.hosts.map(serviceOf))]);
    same = now === links ? same + 1 : 0;
    links = now;
  }
}
