import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { counted } from "../counted.ts";
import { startTurns } from "../turns.ts";
import { KINDS, Shop, startHost, type TestHost } from "../world.ts";

describe.each(KINDS)("the way to a host with %s", (kind) => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  // identification and keys, the login with the shell and the first request, and one for what is said meanwhile
  const most = kind === "sandbox" ? 6 : 4;
  it(`is gone at most ${most} times to log in and look`, async () => {
    await using turns = await startTurns(host.server.port);
    const { user, hostKey } = host.server;
    const hosts = [{ name: "web-1", address: "127.0.0.1", port: turns.port, user, hostKey }];
    await using shop = await Shop.open(host, { hosts });

    await shop.target.live(shop.context());

    expect(turns.count).toBeLessThanOrEqual(most);
  });

  it("is gone at most 3 times when nothing changed", async () => {
    await using shop = await Shop.open(host);
    await shop.deploy("release-1", { "index.html": "one\n", "app.js": "one\n" });
    const connection = counted(shop.connection);
    const ctx = shop.context({ connection });

    // as the runner does: before it takes the lease, under it, and for the plan
    await shop.target.live(ctx);
    await shop.target.live(ctx);
    const release = { id: "release-2", createdAt: "" };
    const plan = await shop.target.plan(
      { kind: "deploy", release },
      { ...ctx, outputs: () => undefined },
    );

    expect(plan.steps).toEqual([]);
    expect(connection.roundTrips).toBeLessThanOrEqual(3);
  });

  it("is not gone for a plan that follows the look, whatever changed", async () => {
    await using shop = await Shop.open(host);
    await shop.deploy("release-1", { "index.html": "one\n", "app.js": "one\n" });
    await using other = await Shop.open(host, { path: shop.path });
    await other.build({ "index.html": "one\n", "app.js": "two\n" });
    const connection = counted(other.connection);
    const ctx = other.context({ connection });

    await other.target.live(ctx);
    const looked = connection.roundTrips;
    const release = { id: "release-2", createdAt: "" };
    const plan = await other.target.plan(
      { kind: "deploy", release },
      { ...ctx, outputs: () => undefined },
    );

    expect(plan.changes.map(({ what }) => what)).toEqual(["app.js"]);
    expect(connection.roundTrips).toBe(looked);
  });

  it("is gone at most 7 times for a release of any size, however many files changed", async () => {
    await using shop = await Shop.open(host);
    const files = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`file-${index}.js`, `one ${index}\n`]),
    );
    await shop.deploy("release-1", files);
    await shop.build({ ...files, ...Object.fromEntries(changedHalf(files)), "new.js": "new\n" });
    const connection = counted(shop.connection);
    const ctx = shop.context({ connection });

    await shop.target.live(ctx);
    const release = { id: "release-2", createdAt: "" };
    const { steps } = await shop.target.plan(
      { kind: "deploy", release },
      { ...ctx, outputs: () => undefined },
    );
    await shop.fence({ connection });
    for (const step of steps) if (step.phase !== "retire") await shop.apply(step, { connection });

    expect(await shop.observe()).toMatchObject({ link: "releases/release-2" });
    expect(connection.roundTrips).toBeLessThanOrEqual(7);
  });
});

function changedHalf(files: Readonly<Record<string, string>>): [string, string][] {
  return Object.keys(files)
    .filter((_, index) => index % 2 === 0)
    .map((name) => [name, "two\n"]);
}
