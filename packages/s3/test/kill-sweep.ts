import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import type { S3Bucket, S3Fault } from "@lockstep/testkit";
import { expect } from "vitest";
import { type Done, Rig } from "./rig.ts";
import { filesOf } from "./world.ts";

/** Where a deploy is killed: before the server does what request `at` asks, or after it has. */
export interface KillPoint {
  readonly at: number;
  readonly when: "before" | "after";
  /** What takes over: the run is put back, gone on with, or left to the next deploy. */
  readonly next: "back" | "forward" | "deploy";
}

/** What a bucket of the small site holds. */
type Texts = Readonly<Record<string, string>>;

/** A server on which deploys are killed. */
export interface KillPlace extends AsyncDisposable {
  readonly rig: Rig;
  readonly bucket: string;
  /** What visitors get. */
  site(): Promise<Texts>;
  /** Requests so far. */
  asked(): number;
  /** From now on asks about each request, before the server does anything. */
  watch(onRequest: () => "refuse" | "lose" | undefined): void;
}

/** Kills a deploy of the small site at one request; how many requests it got to comes back. */
export async function killAt(
  { at, when, next }: KillPoint,
  openPlace: () => Promise<KillPlace> = sandboxPlace,
): Promise<number> {
  await using place = await openPlace();
  const { rig } = place;
  await rig.deploy(filesOf("one"));
  const one = await place.site();
  await rig.folder.build(filesOf("two"));
  const home = await mkdtemp(join(tmpdir(), "lockstep-kill-"));
  const journal = join(home, "journal");
  const first = place.asked();
  let child: ChildProcess | undefined;
  place.watch(() => {
    if (place.asked() - first !== at) return undefined;
    child?.kill("SIGKILL");
    return when === "before" ? "refuse" : "lose";
  });
  try {
    child = deployIn(place, journal);
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [status] = (await once(child, "exit")) as [number | null];
    if (status !== null && status !== 0) throw new Error(said);
    const asked = place.asked() - first;
    place.watch(() => undefined);
    expect(brokenPages(await place.site()), `killed ${when} request ${at}`).toEqual([]);
    await takeOver(place, { next, one, records: await recordsIn(journal) });
    return asked;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** A sandbox server, whose pages are looked at before every request that it gets. */
async function sandboxPlace(): Promise<KillPlace> {
  let fault: () => S3Fault | undefined = () => undefined;
  const rig = await Rig.open({ server: { fault: () => fault() } });
  const broken: string[] = [];
  return {
    rig,
    bucket: "shop",
    async site() {
      expect(broken).toEqual([]);
      return siteIn(rig.objects);
    },
    asked: () => rig.sandbox.requests.length,
    watch(onRequest) {
      fault = () => {
        broken.push(...brokenPages(siteIn(rig.objects)));
        const trick = onRequest();
        if (trick === undefined) return undefined;
        return trick === "refuse" ? "slow-down" : "lost-reply";
      };
    },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

function deployIn({ rig, bucket }: KillPlace, journal: string): ChildProcess {
  const { server, folder } = rig;
  const { endpoint, region, credentials } = server;
  const script = join(import.meta.dirname, "kill-child.ts");
  const where = JSON.stringify({ endpoint, region, credentials });
  const words = ["--conditions=@lockstep/source", script, where, folder.path, journal, bucket];
  return spawn(execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
}

async function recordsIn(journal: string): Promise<Done[]> {
  const text = await readFile(journal, "utf8").catch(() => "[]");
  return JSON.parse(text) as Done[];
}

async function takeOver(
  { rig, site }: KillPlace,
  {
    next,
    one,
    records,
  }: { readonly next: KillPoint["next"]; readonly one: Texts; readonly records: readonly Done[] },
): Promise<void> {
  await rig.fence();
  if (next === "back") {
    const after = (await rig.revert(records)).filter((said) => said !== "left");
    expect(["restored", "untouched", undefined]).toContain(after[0]);
    expect(pagesOf(await site())).toEqual(pagesOf(one));
    expect(brokenPages(await site())).toEqual([]);
  }
  if (next === "forward") {
    for (const { step, before } of records) {
      const handler = rig.target.steps.find(({ kind }) => kind === step.kind);
      await handler?.apply(step.input, before, rig.context());
    }
  }
  await rig.deploy();
  expect(pagesOf(await site())).toEqual(pagesOf(filesOf("two")));
  const live = await rig.live();
  expect(typeof live.ref).toBe("string");
  expect((await rig.plan()).steps).toEqual([]);
}

function siteIn(objects: S3Bucket): Texts {
  const live = [...objects].filter(([key]) => !key.includes(".lockstep/"));
  return Object.fromEntries(live.map(([key, { body }]) => [key, Buffer.from(body).toString()]));
}

/** What is named by no digest: assets of other releases may be there or not. */
function pagesOf(site: Texts): Texts {
  return Object.fromEntries(Object.entries(site).filter(([key]) => !key.startsWith("assets/")));
}

/** Pages that are of neither release, or that need what is not there. */
function brokenPages(site: Texts): string[] {
  const [one, two] = [filesOf("one"), filesOf("two")];
  return Object.entries(site).flatMap(([key, text]) => {
    if (!key.endsWith(".html")) return [];
    if (text !== one[key] && text !== two[key]) return [`${key} is of no release`];
    const needed = [...text.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, name = ""]) => name);
    return needed.filter((name) => !(name in site)).map((name) => `${key} lacks ${name}`);
  });
}
