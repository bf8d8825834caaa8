import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isLockstepError, type Stamp } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SET } from "../src/fence-scripts.ts";
import { fenceHost } from "../src/fence.ts";
import { LEASE_SECONDS, newHeartbeats } from "../src/heartbeat.ts";
import type { RemoteHost } from "../src/host.ts";
import { stampName } from "../src/layout.ts";
import { Shop, startHost, type TestHost } from "./world.ts";

/** A host whose run died long ago, and two connections to it. */
interface Ring extends AsyncDisposable {
  readonly path: string;
  readonly one: RemoteHost;
  readonly two: RemoteHost;
  /** Names of the stamps on the host. */
  owners(): Promise<readonly string[]>;
  /** The run that has the host gave its last sign of life in 2001. */
  fallSilent(): Promise<void>;
}

async function openRing(host: TestHost): Promise<Ring> {
  const shop = await Shop.open(host);
  const other = await Shop.open(host, { path: shop.path });
  const [one] = shop.connection.hosts;
  const [two] = other.connection.hosts;
  if (one === undefined || two === undefined) throw new Error("no host");
  const fence = join(shop.path, ".lockstep/fence");
  await shop.fence({ stamp: stampOf(0) });
  return {
    path: shop.path,
    one,
    two,
    owners: () => readdir(fence),
    async fallSilent() {
      const [stamp = ""] = await readdir(fence);
      await writeFile(join(fence, stamp, ".hb"), "1000000000 run-0 then me@box\n");
    },
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]();
      await shop[Symbol.asyncDispose]();
    },
  };
}

/** Of a run whose store nobody else uses. */
function stampOf(index: number): Stamp {
  return { lineage: index.toString(16).padStart(32, "0"), epoch: 1, run: `run-${index}` };
}

/** Takes the host as the first run of a new process; true when it got it. */
async function take(host: RemoteHost, path: string, stamp: Stamp): Promise<boolean> {
  try {
    const heartbeats = newHeartbeats();
    await fenceHost(testContext(undefined), host, { path, stamp, heartbeats });
    return true;
  } catch (error) {
    if (isLockstepError(error) && error.code === "SSH_HOST_HELD") return false;
    throw error;
  }
}

/** Halts a taker when it has just renamed the stamp, until there is a file `go`. */
const HALT = `
mv() {
  command mv "$@" || return
  case $1 in (fence/*) : >"$P/halted"; while [ ! -e "$P/go" ]; do sleep 0.05; done ;; esac
}`;

/** Whether a second taker gets the host while the first one, by this script, has just renamed the stamp. */
async function takeFromHalted(ring: Ring, set: string): Promise<boolean> {
  const { path, one, two } = ring;
  const [first, second] = [stampOf(1), stampOf(2)];
  const values = {
    VERSION: "1",
    LINEAGE: first.lineage,
    EPOCH: "1",
    P: path,
    NEW: stampName(first),
    MINE: "",
    HOLDER: "run-1 now me@box",
    LEASE: `${LEASE_SECONDS}`,
    N: "f".repeat(24),
  };
  const slow = one.run(testContext(undefined), { text: `${HALT}${set}`, values });
  await expect.poll(() => readdir(path), { timeout: 10_000 }).toContain("halted");
  expect(await ring.owners()).toEqual([stampName(first)]);
  const hasIt = await take(two, path, second);
  await writeFile(join(path, "go"), "");
  expect((await slow).status).toBe(0);
  return hasIt;
}

/** Runs of two stores that find the same dead run on a host: one of them gets it. */
export function describeTakers(rounds: number): void {
  describe.each(["dash", "busybox"] as const)("two runs of different stores on %s", (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    it(
      `never both get a host whose run fell silent, in ${rounds} rounds`,
      { timeout: rounds * 5000 },
      async () => {
        await using ring = await openRing(host);
        const { path } = ring;
        for (let round = 1; round <= rounds; round += 1) {
          await ring.fallSilent();
          const rivals = [stampOf(2 * round), stampOf(2 * round + 1)] as const;

          const got = await Promise.all([
            take(ring.one, path, rivals[0]),
            take(ring.two, path, rivals[1]),
          ]);

          expect(got.filter(Boolean), `round ${round}`).toHaveLength(1);
          expect(await ring.owners(), `round ${round}`).toEqual([
            stampName(rivals[got[0] ? 0 : 1]),
          ]);
        }
      },
    );

    it(
      "do not both get it when one is halted right behind its rename",
      { timeout: 120_000 },
      async () => {
        await using ring = await openRing(host);
        await ring.fallSilent();

        expect(await takeFromHalted(ring, SET)).toBe(false);
      },
    );

    it(
      "would both get it, were the sign of life given after the rename",
      { timeout: 120_000 },
      async () => {
        const late = SET.replace(
          'elif beat "fence/$found"; then move\n',
          'elif move; then beat "fence/$NEW"\n',
        );
        expect(late).not.toBe(SET);
        await using ring = await openRing(host);
        await ring.fallSilent();

        expect(await takeFromHalted(ring, late)).toBe(true);
      },
    );
  });
}
