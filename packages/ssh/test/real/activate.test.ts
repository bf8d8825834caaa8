import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CheckResult, Json, PlannedStep } from "@lockstep/plugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** A command that notes a word and what is live at the time. */
const noting = (word: string): string[] => [
  "sh",
  "-c",
  `echo "${word} $(readlink "$0/current")" >>"$0/out"`,
];

describe.concurrent.each(["dash", "busybox"] as const)(
  "an activation on %s",
  { timeout: 120_000 },
  (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    /** A shop with one release live and the next one staged. */
    async function openShop(options: (path: string) => Partial<SshOptions>): Promise<{
      readonly shop: Shop;
      readonly activate: PlannedStep;
      readonly all: readonly PlannedStep[];
    }> {
      const path = join(host.root, `${Math.random()}`.slice(2), "shop");
      const plain = await Shop.open(host, { path });
      await plain.deploy(ONE, { "index.html": "one" });
      await plain.connection[Symbol.asyncDispose]();
      const shop = await Shop.open(host, { path, ...options(path) });
      shop.epoch = plain.epoch;
      await shop.build({ "index.html": "two" });
      const all = await shop.plan(TWO);
      for (const step of all) if (step.phase === "stage") await shop.apply(step);
      const activate = all.find((step) => step.kind === "ssh.activate/1");
      if (activate === undefined) throw new Error("nothing is planned");
      return { shop, activate, all };
    }

    const linesOf = async (path: string): Promise<string[]> =>
      (await readFile(join(path, "out"), "utf8").catch(() => "")).trim().split("\n");

    async function ask(shop: Shop, step: PlannedStep | undefined): Promise<CheckResult> {
      const handler = shop.target.checks?.find((one) => one.kind === step?.kind);
      if (step === undefined || handler === undefined) throw new Error("no such check");
      return handler.check(step.input, shop.context());
    }

    it("drains the host before the link moves, in both directions", async () => {
      const { shop, activate } = await openShop((path) => ({
        drain: [...noting("drain"), path],
        restart: [...noting("restart"), path],
        undrain: [...noting("undrain"), path],
      }));
      const before = await shop.apply(activate);
      const end = await shop.revert(activate, before);

      expect(end).toBe("restored");
      expect(await linesOf(shop.path)).toEqual([
        `drain releases/${ONE}`,
        `restart releases/${TWO}`,
        `undrain releases/${TWO}`,
        `drain releases/${TWO}`,
        `restart releases/${ONE}`,
        `undrain releases/${ONE}`,
      ]);
      await shop[Symbol.asyncDispose]();
    });

    it.each([
      [{ checks: [{ command: ["true"] }] }, ""],
      [{}, " and undrain the host with lb in"],
    ])("says in the plan what it runs, with %j", async (more, end) => {
      await using shop = await Shop.open(host, {
        drain: ["lb", "out of it"],
        undrain: ["lb", "in"],
        restart: ["true"],
        ...more,
      });
      await shop.build();
      const [, activate] = await shop.planPair(ONE);

      expect(shop.handlerOf(activate).describe(activate.input)).toBe(
        `drain the host with lb 'out of it', point ${shop.path}/current at releases/${ONE}, then run true${end}`,
      );
    });

    it("tells what drains a host which release is live then", async () => {
      const note = (what: string, path: string): readonly string[] => [
        "sh",
        "-c",
        'echo "$1 $LOCKSTEP_RELEASE" >>"$2/out"',
        "note",
        what,
        path,
      ];
      const { shop, activate } = await openShop((path) => ({
        drain: note("drain", path),
        restart: note("restart", path),
        undrain: note("undrain", path),
      }));
      await shop.apply(activate);

      expect(await linesOf(shop.path)).toEqual([
        `drain ${ONE}`,
        `restart ${TWO}`,
        `undrain ${TWO}`,
      ]);
      await shop[Symbol.asyncDispose]();
    });

    it.each(["after it was undrained", "while it is drained"])(
      "undrains a host after its checks, and when it goes back %s",
      async (when) => {
        const { shop, activate, all } = await openShop((path) => ({
          drain: [...noting("drain"), path],
          checks: [{ command: ["true"] }],
          undrain: [...noting("undrain"), path],
        }));
        const before = await shop.apply(activate);
        expect(await linesOf(shop.path)).toEqual([`drain releases/${ONE}`]);
        const undrain = all.find((step) => step.kind === "ssh.undrain/1");
        if (undrain === undefined) throw new Error("nothing is planned");
        const isUndrained = when === "after it was undrained";
        if (isUndrained) await shop.apply(undrain);

        expect(await shop.revert(undrain, null)).toBe("untouched");
        expect(await shop.revert(activate, before)).toBe("restored");
        expect(await linesOf(shop.path)).toEqual([
          `drain releases/${ONE}`,
          ...(isUndrained ? [`undrain releases/${TWO}`] : []),
          `drain releases/${TWO}`,
          `undrain releases/${ONE}`,
        ]);
        expect(await shop.revert(activate, before)).toBe("untouched");
        await shop[Symbol.asyncDispose]();
      },
    );

    it("undrains a host that was drained in vain", async () => {
      const { shop, activate } = await openShop((path) => ({
        drain: ["false"],
        undrain: [...noting("undrain"), path],
      }));
      await expect(shop.apply(activate)).rejects.toMatchObject({ code: "SSH_COMMAND_FAILED" });

      expect(await shop.revert(activate, { previous: `releases/${ONE}` })).toBe("untouched");
      expect(await linesOf(shop.path)).toEqual([`undrain releases/${ONE}`]);
      await shop[Symbol.asyncDispose]();
    });

    it("is undone by the host itself when nobody confirms it", async () => {
      const { shop, activate, all } = await openShop((path) => ({
        confirmWithinMs: 5000,
        restart: [...noting("restart"), path],
        undrain: [...noting("undrain"), path],
        checks: [{ command: ["true"] }],
      }));
      const before = await shop.apply(activate);
      const held = all.find((step) => step.kind === "ssh.held/1");
      const confirm = all.find((step) => step.kind === "ssh.confirm/1");

      expect(await ask(shop, held)).toMatchObject({ status: "pass" });
      expect(await readlink(join(shop.path, "current"))).toBe(`releases/${TWO}`);
      for (let wait = 0; wait < 80 && (await linesOf(shop.path)).length < 3; wait += 1) {
        await sleep(100);
      }

      expect(await linesOf(shop.path)).toEqual([
        `restart releases/${TWO}`,
        `restart releases/${ONE}`,
        `undrain releases/${ONE}`,
      ]);
      expect(await ask(shop, held)).toMatchObject({
        status: "fail",
        found: "the host went back by itself",
      });
      const retire = shop.target.retires?.find((one) => one.kind === confirm?.kind);
      await expect(retire?.retire(confirm?.input ?? null, shop.context())).rejects.toMatchObject({
        code: "SSH_WENT_BACK",
      });
      expect(await shop.revert(activate, before)).toBe("restored");
      expect((await shop.target.live(shop.context()))[0]).toMatchObject({ ref: { release: ONE } });
      await shop[Symbol.asyncDispose]();
    });

    it.each(["is confirmed", "is reverted", "is fenced by a newer run"])(
      "is not undone by the host once it %s",
      async (what) => {
        const { shop, activate, all } = await openShop(() => ({ confirmWithinMs: 5000 }));
        const before = await shop.apply(activate);
        const confirm = all.find((step) => step.kind === "ssh.confirm/1");
        const retire = shop.target.retires?.find((one) => one.kind === confirm?.kind);
        if (what === "is confirmed") await retire?.retire(confirm?.input ?? null, shop.context());
        if (what === "is reverted") {
          await shop.revert(activate, before);
          await shop.apply({ ...activate, input: { release: TWO, path: shop.path } });
        }
        if (what === "is fenced by a newer run") {
          shop.epoch += 1;
          await shop.fence();
        }
        await sleep(6000);

        expect(await readlink(join(shop.path, "current"))).toBe(`releases/${TWO}`);
        await shop[Symbol.asyncDispose]();
      },
    );

    it.each([
      ["Capistrano", (path: string) => join(path, "releases/20200101120000")],
      ["Deployer", () => "releases/20200101120000"],
    ])("takes over a tree of %s on request, and goes back to it", async (_, linkOf) => {
      const path = join(host.root, `${Math.random()}`.slice(2), "shop");
      const [remote] = (await Shop.open(host, { path })).connection.hosts;
      await using refusing = await Shop.open(host, { path });
      const make = `mkdir -p "$P/releases/20200101120000" "$P/releases/20190101120000" "$P/shared" &&
        echo old >"$P/releases/20200101120000/index.html" && ln -s "$LINK" "$P/current"`;
      await remote?.run(refusing.context(), {
        text: make,
        values: { P: path, LINK: linkOf(path) },
      });
      await remote?.[Symbol.asyncDispose]();
      await refusing.build({ "index.html": "new" });
      await expect(refusing.plan(ONE)).rejects.toMatchObject({
        errors: [
          {
            code: "SSH_CURRENT_FOREIGN",
            hint: expect.stringContaining(
              "Set `adopt: true` in the options of this target",
            ) as string,
          },
        ],
      });

      await using shop = await Shop.open(host, { path, adopt: true, keep: 2 });
      await shop.build({ "index.html": "new" });
      expect(await shop.target.live(shop.context())).toMatchObject([
        { ref: { release: "20200101120000", digest: "adopted" } },
      ]);
      await shop.fence();
      const steps = await shop.plan(ONE);
      const befores: Json[] = [];
      for (const step of steps.slice(0, 2)) befores.push(await shop.apply(step));
      expect(await shop.observe()).toMatchObject({ files: { "index.html": "new" } });
      const [, activate] = steps;
      if (activate === undefined) throw new Error("nothing is planned");
      expect(await shop.revert(activate, befores[1] ?? null)).toBe("restored");
      expect(await readFile(join(path, "current/index.html"), "utf8")).toBe("old\n");

      for (const n of [1, 2, 3, 4]) {
        await shop.deploy(`20261121T10150${n}Z-0000000${n}`, { "index.html": `${n}` });
      }
      const old = await readFile(join(path, "releases/20200101120000/index.html"), "utf8");
      expect(old).toBe("old\n");
      // never live here, and not ours
      expect(await readdir(join(path, "releases"))).toContain("20190101120000");
      const [live] = await shop.target.live(shop.context());
      expect(live?.kept).toContainEqual({ release: "20200101120000", digest: "adopted" });
    });

    it("is judged by the process that serves", async () => {
      const { shop, activate, all } = await openShop(() => ({
        checks: [{ process: { pidFile: "app.pid" } }],
      }));
      const start = async (folder: string): Promise<void> => {
        const text = `cd "$P/${folder}/" && { (exec sleep 30 </dev/null >/dev/null 2>&1) & echo $! >"$P/app.pid"; }`;
        await shop.connection.hosts[0]?.exec(shop.context(), { text, values: { P: shop.path } });
      };
      const check = all.find((step) => step.kind === "ssh.check-process/1");
      await shop.apply(activate);
      expect(await ask(shop, check)).toMatchObject({
        status: "fail",
        found: "there is no process",
      });
      await start(`releases/${ONE}`);
      expect(await ask(shop, check)).toMatchObject({
        status: "fail",
        found: expect.stringMatching(/^process \d+ runs in .*00000001$/),
      });
      await start("current");

      expect(await ask(shop, check)).toMatchObject({ status: "pass" });
      await shop[Symbol.asyncDispose]();
    });

    it("sees a process that is replaced while it is watched", async () => {
      const { shop, activate, all } = await openShop(() => ({
        checks: [{ process: { pidFile: "app.pid" }, soakMs: 4000 }],
      }));
      await shop.apply(activate);
      const once =
        'cd "$P/current/" && { (exec sleep 30 </dev/null >/dev/null 2>&1) & echo $! >"$P/app.pid"; }';
      const text = `${once}; ( sleep 2; kill "$(cat "$P/app.pid")"; ${once} ) </dev/null >/dev/null 2>&1 &`;
      await shop.connection.hosts[0]?.exec(shop.context(), { text, values: { P: shop.path } });

      const check = all.find((step) => step.kind === "ssh.check-process/1");

      expect(await ask(shop, check)).toMatchObject({
        status: "fail",
        found: expect.stringMatching(/^process \d+ was replaced by \d+$/),
      });
      await shop[Symbol.asyncDispose]();
    });
  },
);

describe("a rollout", { timeout: 120_000 }, () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost("dash");
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  /** Several names of one host: enough to plan with, and to ask. */
  function hosts(): NonNullable<SshOptions["hosts"]> {
    const { address, port, user } = host.server;
    return ["a", "b", "c"].map((name) => ({
      name,
      address,
      port,
      user,
      labels: name === "b" ? ["canary"] : [],
    }));
  }

  /** A plan for all hosts: the context of a shop is about its only one. */
  async function planAll(shop: Shop, release: string): Promise<readonly PlannedStep[]> {
    const { unit: _, ...ctx } = shop.context();
    const request = { kind: "deploy", release: { id: release, createdAt: "" } } as const;
    return (await shop.target.plan(request, { ...ctx, outputs: () => undefined })).steps;
  }

  it("has checks and a pause between its waves, and all checks at its end", async () => {
    await using shop = await Shop.open(host, {
      hosts: hosts(),
      checks: [{ command: ["true"] }],
      rollout: { waves: [1, "100%"], first: "canary", pauseMs: 1000 },
      once: [
        { name: "expand", run: ["true"], on: "c", undo: "leave" },
        { name: "contract", run: ["true"], undo: "never" },
      ],
    });
    await shop.build();

    const steps = await planAll(shop, ONE);

    expect(
      steps
        .filter(({ phase }) => phase === "activate" || phase === "verify")
        .map(({ id, phase, wave = 0 }) => `${phase} ${wave} ${id}`),
    ).toEqual([
      "activate 0 once-expand:c",
      "activate 4 once-contract:a",
      "activate 1 activate:b",
      "activate 1 wave-1-1:b",
      "activate 1 pause-1",
      "activate 2 activate:a",
      "activate 2 activate:c",
      // nothing can undo what comes next: every host has to have passed
      "activate 2 wave-2-1:a",
      "activate 2 wave-2-1:c",
      "verify 0 check-1:a",
      "verify 0 check-1:b",
      "verify 0 check-1:c",
    ]);
  });

  it("counts waves from the first one that does something, and gives every step the time it may take", async () => {
    await using shop = await Shop.open(host, {
      hosts: hosts(),
      service: { systemd: "shop.service", readyMs: 900_000 },
      checks: [{ process: { pidFile: "app.pid" }, soakMs: 700_000 }],
      rollout: { waves: [2] },
      envFile: { values: {} },
      stepTimeoutMs: 3_600_000,
    });
    await shop.build();

    const steps = await planAll(shop, ONE);

    expect(
      steps
        .filter(({ unit, phase }) => unit === "c" && phase !== "retire")
        .map(({ id, wave, timeoutMs }) => [id, wave, timeoutMs]),
    ).toEqual([
      ["upload:c", undefined, 3_600_000],
      ["furnish:c", undefined, 3_600_000],
      ["activate:c", 1, 4_500_000],
      ["check-1:c", undefined, 4_300_000],
    ]);
    expect(steps.find(({ id }) => id === "activate:a")?.wave).toBe(0);
  });

  it.each([
    [
      0,
      [
        "0 activate:a",
        "0 wave-1-1:a",
        "0 undrain:a",
        "1 activate:b",
        "1 wave-2-1:b",
        "1 undrain:b",
        "2 activate:c",
        "2 wave-3-1:c",
        "2 undrain:c",
      ],
    ],
    [
      1,
      [
        "0 activate:a",
        "0 wave-1-1:a",
        "0 undrain:a",
        "1 activate:b",
        "1 wave-2-gate",
        "2 activate:c",
        "2 wave-3-gate",
      ],
    ],
  ])("undrains a host after its own checks, where %i may fail", async (maxFailures, wanted) => {
    await using shop = await Shop.open(host, {
      hosts: hosts(),
      undrain: ["true"],
      checks: [{ command: ["true"] }],
      rollout: { waves: [1], maxFailures },
      once: [{ name: "contract", run: ["true"], undo: "never" }],
    });
    await shop.build();

    const steps = await planAll(shop, ONE);

    expect(
      steps
        .filter(({ phase, undo }) => phase === "activate" && undo === undefined)
        .map(({ id, wave }) => `${wave} ${id}`),
    ).toEqual(wanted);
    // what is asked together is undrained before: else all would be out of use at once
    const isLater = (id: string): unknown =>
      Object(steps.find((step) => step.id === id)?.input)["undrainLater"];
    expect([isLater("activate:a"), isLater("activate:b")]).toEqual([
      true,
      maxFailures === 0 ? true : undefined,
    ]);
  });

  it("lets no canary fail, and counts the hosts that fail over all waves", async () => {
    await using shop = await Shop.open(host, {
      hosts: hosts(),
      checks: [{ command: ["true"] }],
      rollout: { waves: [1], first: "canary", maxFailures: "50%" },
    });
    await shop.build();

    const checks = (await planAll(shop, ONE)).filter(({ id }) => /^(wave|check)-/.test(id));

    expect(checks.map(({ id, unit }) => [id, unit])).toEqual([
      ["wave-1-1:b", "b"],
      ["wave-2-gate", undefined],
      ["check-gate", undefined],
    ]);
    expect(checks.slice(1).map(({ input }) => input)).toMatchObject([
      { hosts: ["b", "a"], maxFailures: 1 },
      { hosts: ["a", "b", "c"], maxFailures: 1 },
    ]);
  });

  it("lets as many hosts fail as it may, and no more", async () => {
    const path = join(host.root, "gate", "shop");
    await using plain = await Shop.open(host, { path });
    await plain.deploy(ONE, { "index.html": "one" });
    const check = { command: ["sh", "-c", '[ "$LOCKSTEP_HOST" = a ]'] };
    const until = { successes: 1, intervalMs: 0, deadlineMs: 0 };
    const answers: string[] = [];
    await using shops = new AsyncDisposableStack();
    for (const maxFailures of [1, "67%"]) {
      const shop = shops.use(
        await Shop.open(host, {
          path,
          hosts: hosts(),
          checks: [{ ...check, until }],
          rollout: { waves: ["100%"], maxFailures },
        }),
      );
      await shop.build({ "index.html": "two" });
      const gate = (await planAll(shop, TWO)).find((step) => step.kind === "ssh.gate/1");
      const handler = shop.target.checks?.find(({ kind }) => kind === gate?.kind);
      const { status, found } = (await handler?.check(gate?.input ?? null, shop.context())) ?? {};
      answers.push(`${status}: ${found}`);
    }

    expect(answers).toEqual(["fail: b: status 1; c: status 1", "pass: b: status 1; c: status 1"]);
  });
});
