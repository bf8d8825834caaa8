import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath } from "node:process";
import type { Json, PlannedStep } from "@lockstep/plugin";
import { type RegistryQuirks, startSandboxRegistry } from "@lockstep/testkit";
import { expect } from "vitest";
import { digestIn, filesOf, ONE, Shop, TWO } from "./world.ts";

const TAGS = ["1.4.2", "1.4", "1", "latest"];
const NAME = "acme/shop";

/** Where a push is killed: before the registry sees request `at`, or after it has answered in its own books. */
export interface KillPoint {
  readonly at: number;
  readonly when: "before" | "after";
  /** Whether the run is put back (default) or gone on with. */
  readonly recover?: "back" | "forward";
}

/** Kills a push of four tags at one point, recovers it, and looks at every tag. Returns how many requests it got to. */
export async function killAt(
  { at, when, recover: way = "back" }: KillPoint,
  quirks: RegistryQuirks,
): Promise<number> {
  await using server = await startSandboxRegistry({ quirks });
  const options = { repository: `${server.host}/${NAME}`, tags: TAGS, limits: { backoffMs: 1 } };
  await using shop = await Shop.open(options);
  await shop.deploy(ONE, filesOf("one"));
  const start = server.store.tags(NAME);
  await shop.build(filesOf("two"));

  const home = await mkdtemp(join(tmpdir(), "lockstep-kill-"));
  const journal = join(home, "journal");
  const first = server.requests.length;
  const broken: string[] = [];
  let child: ChildProcess | undefined;
  server.fault = async ({ number }, { response }) => {
    lookAround();
    if (number - first !== at || child === undefined) return false;
    if (when === "before") {
      child.kill("SIGKILL");
      await once(child, "exit");
      response.destroy();
      return true;
    }
    const victim = child;
    response.once("finish", () => victim.kill("SIGKILL"));
    return false;
  };
  try {
    child = spawn(
      execPath,
      [
        "--conditions=@lockstep/source",
        join(import.meta.dirname, "kill-child.ts"),
        JSON.stringify(options),
        shop.folder,
        journal,
      ],
      {
        stdio: ["ignore", "ignore", "pipe"],
        // what a killed process leaves behind goes with the rest
        env: { ...env, TMPDIR: home },
      },
    );
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [status] = (await once(child, "exit")) as [number | null];
    if (status !== null && status !== 0) throw new Error(said);
    const asked = server.requests.length - first;
    server.fault = () => {
      lookAround();
      return false;
    };

    const text = await readFile(journal, "utf8").catch(() => "[]");
    const where = `killed ${when} request ${at}`;
    if (way === "back") {
      await goBack(shop, text);
      expect(server.store.tags(NAME), where).toEqual(start);
    } else {
      const digest = await goOn(shop, text);
      const tags = server.store.tags(NAME);
      expect(new Set(TAGS.map((tag) => tags[tag])), where).toEqual(new Set([digest]));
    }
    expect(broken, where).toEqual([]);
    return asked;
  } finally {
    await rm(home, { recursive: true, force: true });
  }

  /** A fault cannot fail a test: what it sees is kept. */
  function lookAround(): void {
    for (const tag of Object.keys(server.store.tags(NAME))) {
      const missing = server.store.missing(NAME, tag);
      if (missing.length > 0) broken.push(`${tag} lacks ${missing.join(", ")}`);
    }
  }
}

/** As the runner puts back a run that ended without a decision: newest first, from what was journaled. */
async function goBack(shop: Shop, journal: string): Promise<void> {
  const records = JSON.parse(journal === "" ? "[]" : journal) as {
    step: PlannedStep;
    before: Json;
  }[];
  for (const { step, before } of records.toReversed()) {
    if (step.undo !== undefined) continue;
    const said = await shop.revert(step, before);
    expect(["restored", "untouched"]).toContain(said);
    expect(await shop.revert(step, before)).toBe("untouched");
  }
}

/** As the runner goes on with such a run: with what was journaled where it began, anew where it did not. */
async function goOn(shop: Shop, journal: string): Promise<string> {
  const records = JSON.parse(journal === "" ? "[]" : journal) as {
    step: PlannedStep;
    before: Json;
  }[];
  const plan = await shop.plan(TWO);
  const begun = new Map(records.map((record) => [record.step.id, record]));
  const steps = plan.steps.filter(({ phase }) => phase === "stage" || phase === "activate");
  for (const planned of [...begun.values()].map(({ step }) => step).concat(steps)) {
    const record = begun.get(planned.id);
    const step = record?.step ?? planned;
    const handler = shop.handlerOf(step);
    const before = record?.before ?? (await handler.inspect(step.input, shop.context()));
    await handler.apply(step.input, before, shop.context());
  }
  return digestIn(plan.outputs);
}
