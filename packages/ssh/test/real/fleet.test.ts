import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Json, PlannedStep, Reverted, Target, WriteContext } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { range } from "../../bench/trees.ts";
import { ssh, type SshConnection } from "../../src/index.ts";
import { type Fleet, startFleet } from "../fleet.ts";

const HOSTS = 10;
/** The host that goes down. */
const GONE = 4;
const DOWN = expect.stringMatching(/^SSH_(HOST_UNREACHABLE|CONNECTION_LOST)$/);

let fleet: Fleet;
let target: Target<SshConnection>;
let connection: SshConnection;
let epoch = 0;

beforeAll(async () => {
  fleet = await startFleet(HOSTS);
  const { options, folder } = fleet;
  await mkdir(join(folder, "dist"));
  target = ssh({ ...options, checks: [{ command: ["test", "-e", "/mnt/up"] }] });
  connection = await target.connect(testContext(undefined, { folder }));
}, 60_000);
afterAll(async () => {
  await connection[Symbol.asyncDispose]();
  await fleet[Symbol.asyncDispose]();
}, 30_000);

function context(unit?: string): WriteContext<SshConnection> {
  const run = `run-${epoch}`;
  const { folder } = fleet;
  const stamp = { lineage: "0f".repeat(16), epoch, run };
  return testContext(connection, { folder, run, stamp, ...(unit === undefined ? {} : { unit }) });
}

async function plan(text: string): Promise<readonly PlannedStep[]> {
  await writeFile(join(fleet.folder, "dist/index.html"), text);
  epoch += 1;
  const request = { kind: "deploy", release: { id: `release-${epoch}`, createdAt: "" } } as const;
  return (await target.plan(request, { ...context(), outputs: () => undefined })).steps;
}

/** Applies the steps of a phase to all hosts; what each saw before, or why it could not be done. */
async function applyAll(
  steps: readonly PlannedStep[],
  phase: PlannedStep["phase"],
): Promise<PromiseSettledResult<{ readonly step: PlannedStep; readonly before: Json }>[]> {
  return Promise.allSettled(
    steps
      .filter((step) => step.phase === phase && target.steps.some(({ kind }) => kind === step.kind))
      .map(async (step) => {
        const handler = target.steps.find(({ kind }) => kind === step.kind);
        const ctx = context(step.unit);
        const before = (await handler?.inspect(step.input, ctx)) ?? null;
        await handler?.apply(step.input, before, ctx);
        return { step, before };
      }),
  );
}

async function deploy(text: string): Promise<void> {
  const steps = await plan(text);
  await target.fence?.(context().stamp, context());
  for (const phase of ["stage", "activate"] as const) {
    for (const one of await applyAll(steps, phase)) expect(one.status).toBe("fulfilled");
  }
}

async function revert(step: PlannedStep, before: Json): Promise<Reverted | undefined> {
  const handler = target.steps.find(({ kind }) => kind === step.kind);
  return handler?.revert?.(step.input, before, context(step.unit));
}

/** What each host serves. */
function seen(): Promise<string[]> {
  const pages = range(HOSTS).map((index) => join(fleet.disk(index), "shop/current/index.html"));
  return Promise.all(pages.map((page) => readFile(page, "utf8")));
}

const all = (text: string): string[] => range(HOSTS).map(() => text);

describe(`one of ${HOSTS} hosts`, { timeout: 120_000 }, () => {
  it("that is down before a deploy is named, and nothing is planned", async () => {
    await deploy("one");
    await fleet.servers[GONE]?.stop();

    await expect(plan("two")).rejects.toMatchObject({
      errors: [{ code: DOWN, unit: `web-${GONE}` }],
    });
    await fleet.servers[GONE]?.start();
    expect(await seen()).toEqual(all("one"));
  });

  it("that goes down before its link moves keeps its release, and the others get theirs back", async () => {
    await deploy("one again");
    const steps = await plan("three");
    await target.fence?.(context().stamp, context());
    await applyAll(steps, "stage");
    await fleet.servers[GONE]?.stop();

    const moved = await applyAll(steps, "activate");

    const failed = moved.flatMap((one) =>
      one.status === "rejected" ? [one.reason as unknown] : [],
    );
    expect(failed).toMatchObject([{ code: DOWN, unit: `web-${GONE}` }]);
    const done = moved.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const reverted = await Promise.all(done.map(({ step, before }) => revert(step, before)));
    expect(reverted).toEqual(range(HOSTS - 1).map(() => "restored"));
    await fleet.servers[GONE]?.start();
    expect(await seen()).toEqual(all("one again"));
  });

  it("that starts anew after its link moved is judged by what runs then, and put back", async () => {
    await deploy("four");
    const steps = await plan("five");
    await target.fence?.(context().stamp, context());
    await applyAll(steps, "stage");
    for (const index of range(HOSTS)) await writeFile(join(fleet.disk(index), "up"), "");
    const moved = await applyAll(steps, "activate");
    // what a host loses when it starts anew: connections, and what ran
    await rm(join(fleet.disk(GONE), "up"));
    await fleet.servers[GONE]?.stop();
    await fleet.servers[GONE]?.start();

    const verdicts = await Promise.all(
      steps
        .filter(({ phase }) => phase === "verify")
        .map(async ({ kind, input, unit }) => {
          const check = target.checks?.find((one) => one.kind === kind);
          return [unit, (await ask(check, input, unit))?.status];
        }),
    );

    expect(verdicts).toEqual(
      range(HOSTS).map((index) => [`web-${index}`, index === GONE ? "fail" : "pass"]),
    );
    const done = moved.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const reverted = await Promise.all(done.map(({ step, before }) => revert(step, before)));
    expect(reverted).toEqual(range(HOSTS).map(() => "restored"));
    expect(await seen()).toEqual(all("four"));
  });
});

/** A check over a connection that was cut is asked once more, as the runner does. */
async function ask(
  check: NonNullable<Target<SshConnection>["checks"]>[number] | undefined,
  input: Json,
  unit: string | undefined,
): Promise<{ readonly status: string } | undefined> {
  const first = await check?.check(input, context(unit));
  return first?.status === "inconclusive" ? check?.check(input, context(unit)) : first;
}
