import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Finding, Target, WriteContext } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ssh, type SshConnection } from "../../src/index.ts";
import { type Fleet, startFleet } from "../fleet.ts";

const OURS = { lineage: "0f".repeat(16), epoch: 9, run: "run-9" };
const THEIRS = { lineage: "aa".repeat(16), epoch: 1, run: "run-1" };

let fleet: Fleet;
let target: Target<SshConnection>;

beforeAll(async () => {
  fleet = await startFleet(2);
  await mkdir(join(fleet.folder, "dist"));
  target = ssh(fleet.options);
}, 30_000);
afterAll(async () => fleet[Symbol.asyncDispose](), 30_000);

const fenceOf = (index: number): string => join(fleet.disk(index), "shop/.lockstep/fence");

/** The stamps of all hosts. */
async function stamps(): Promise<string[]> {
  return (await Promise.all([0, 1].map((index) => readdir(fenceOf(index))))).flat();
}

const nameOf = ({ lineage, epoch, run }: typeof OURS): string => `${lineage}.${epoch}.${run}`;

async function connect(
  stamp: typeof OURS,
): Promise<{ readonly connection: SshConnection; readonly ctx: WriteContext<SshConnection> }> {
  const { folder } = fleet;
  const connection = await target.connect(testContext(undefined, { folder }));
  return { connection, ctx: testContext(connection, { folder, run: stamp.run, stamp }) };
}

/** A run that looks and fences as core has it done. */
async function take(stamp: typeof OURS): Promise<void> {
  const { connection, ctx } = await connect(stamp);
  await using _ = connection;
  await target.live(ctx);
  await target.fence?.(stamp, ctx);
}

async function found(): Promise<Finding[]> {
  const { connection, ctx } = await connect(OURS);
  await using _ = connection;
  const findings: Finding[] = [];
  for await (const finding of target.doctor?.(ctx) ?? []) findings.push(finding);
  return findings;
}

describe("two hosts of another store, one of them with a run at work", { timeout: 120_000 }, () => {
  it("both stay that store's, and its next run finds them as it left them", async () => {
    await take(OURS);
    // nobody waits for the goodbye, which takes the sign away
    const signOf = (): Promise<string[]> => readdir(join(fenceOf(0), nameOf(OURS)));
    await expect.poll(signOf).not.toContain(".hb");
    const sign = `${Math.floor(Date.now() / 1000)} run-9 2026-11-21T10:15:00.000Z me@box\n`;
    await writeFile(join(fenceOf(0), nameOf(OURS), ".hb"), sign);

    await expect(take(THEIRS)).rejects.toMatchObject({
      errors: [{ code: "SSH_HOST_HELD", unit: "web-0" }],
    });

    expect(await stamps()).toEqual([nameOf(OURS), nameOf(OURS)]);
  });

  it("are told apart by the doctor", async () => {
    const about = (await found()).filter(({ text }) => text.includes("at work"));

    expect(about).toEqual([
      {
        unit: "web-0",
        level: "warn",
        text: expect.stringMatching(
          /^run-9 \(me@box\) is at work here, since 2026-11-21T10:15:00\.000Z; its last sign of life came \d+ s ago$/,
        ) as string,
        fix: "Wait until it has ended. One that died is let go of 60 s after its last sign of life.",
      },
    ]);
  });

  it("are taken over together once nobody is at work", async () => {
    await rm(join(fenceOf(0), nameOf(OURS), ".hb"));

    await take(THEIRS);

    expect(await stamps()).toEqual([nameOf(THEIRS), nameOf(THEIRS)]);
    expect((await found()).filter(({ text }) => text.includes("at work"))).toEqual([]);
  });
});
