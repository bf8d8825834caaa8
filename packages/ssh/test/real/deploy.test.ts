import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { secret } from "@lockstep/plugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stampName } from "../../src/layout.ts";
import { PRUNE } from "../../src/steps/prune.ts";
import { Shop, startHost, stateOf, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

describe.concurrent.each(["dash", "busybox"] as const)(
  "a deploy to %s",
  { timeout: 120_000 },
  (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    it("lays out an empty host and makes the release live", async () => {
      await using shop = await Shop.open(host);

      await shop.deploy(ONE, { "index.html": "one", "bin/run.sh": "#!/bin/sh\n" });

      expect(await shop.observe()).toEqual({
        link: `releases/${ONE}`,
        files: { "index.html": "one", "bin/run.sh": "#!/bin/sh\n" },
      });
      const { mode } = await stat(join(shop.path, "current/bin/run.sh"));
      expect(mode & 0o777).toBe(0o755);
      expect((await stat(join(shop.path, "current/index.html"))).mode & 0o777).toBe(0o644);
    });

    it("transfers names, links and empty folders exactly", async () => {
      await using shop = await Shop.open(host);
      const files = {
        "-rf": "dash",
        "a b/$(touch evil)/`id`": "shell",
        'it\'s "quoted" & * ? [x] ~': "quotes",
        "ünï/😀": "unicode",
        ".hidden": "dot",
        [`${"long-".repeat(20)}/${"name-".repeat(40)}`]: "long",
      };
      await shop.build(files);
      await mkdir(join(shop.folder, "dist/empty"));
      await symlink("../.hidden", join(shop.folder, "dist/empty/link to"));
      await shop.fence();
      for (const step of await shop.plan(ONE)) {
        if (step.phase === "stage" || step.phase === "activate") await shop.apply(step);
      }

      expect(await shop.observe()).toMatchObject({ files });
      expect(await readlink(join(shop.path, "current/empty/link to"))).toBe("../.hidden");
      expect(await readdir(host.root)).not.toContain("evil");
    });

    it("takes hard links for files of their own, and brings no right to run as another user", async () => {
      await using shop = await Shop.open(host);
      await shop.build({ "run.sh": "#!/bin/sh\n" });
      const dist = join(shop.folder, "dist");
      await link(join(dist, "run.sh"), join(dist, "twin.sh"));
      await chmod(join(dist, "run.sh"), 0o6755);
      await shop.fence();
      for (const step of await shop.planPair(ONE)) await shop.apply(step);

      const [one, two] = await Promise.all(
        ["run.sh", "twin.sh"].map((name) => stat(join(shop.path, "current", name))),
      );
      expect([one?.mode, two?.mode].map((mode = 0) => mode & 0o7777)).toEqual([0o755, 0o755]);
      expect(one?.ino).not.toBe(two?.ino);
    });

    it("plans nothing for a host that serves the content already", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });

      expect(await shop.plan(TWO)).toEqual([]);
    });

    it("makes the same plan from the same facts, whatever run stamped the host", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one", "old.html": "" });
      await shop.build({ "index.html": "two", "new.html": "" });
      const request = { kind: "deploy", release: { id: TWO, createdAt: "" } } as const;
      const ask = () => shop.target.plan(request, { ...shop.context(), outputs: () => undefined });

      const first = await ask();
      shop.epoch += 5;
      await shop.fence();

      expect(await ask()).toEqual(first);
      expect(first.changes.map(({ action, what }) => `${action} ${what}`).toSorted()).toEqual([
        "add new.html",
        "change index.html",
        "remove old.html",
      ]);
    });

    it("keeps the number of good releases that is wanted, and sweeps what killed runs left", async () => {
      await using shop = await Shop.open(host, { keep: 2 });
      for (const n of [1, 2, 3, 4]) {
        await shop.deploy(`20261121T10150${n}Z-0000000${n}`, { "index.html": `${n}` });
        if (n === 2) {
          await shop.build({ "index.html": "never live" });
          const [upload] = await shop.plan("20261121T101599Z-killed");
          if (upload !== undefined) await shop.apply(upload, { run: "killed-run" }).catch(() => {});
          await mkdir(join(shop.path, "releases/by-hand"));
        }
      }

      expect((await readdir(join(shop.path, "releases"))).toSorted()).toEqual([
        "20261121T101503Z-00000003",
        "20261121T101504Z-00000004",
        "by-hand",
      ]);
      expect(await readdir(join(shop.path, ".lockstep/trash"))).toEqual([]);
      const [live] = await shop.target.live(shop.context());
      expect(live).toMatchObject({
        unit: "web-1",
        ref: { release: "20261121T101504Z-00000004" },
        kept: [{ release: "20261121T101503Z-00000003" }],
        stamp: { epoch: 5 },
      });
    });

    it("never removes a release that became live since it was looked at", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });
      const { stamp, ...ctx } = shop.context();
      const values = { P: shop.path, IDS: ONE, STAMP: stampName(stamp), N: "n" };

      const ran = await shop.connection.hosts[0]?.run(ctx, { text: PRUNE, values });

      expect(ran?.status).toBe(0);
      expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
    });

    it("returns to a release that is kept, and refuses one that is gone", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });
      await shop.deploy(TWO, { "index.html": "two" });
      const [live] = await shop.target.live(shop.context());
      const ref = live?.kept[0] ?? null;
      const back = (wanted: typeof ref) =>
        shop.target.plan(
          { kind: "return", refs: [{ unit: "web-1", ref: wanted, kept: [] }] },
          { ...shop.context(), outputs: () => undefined },
        );

      const { steps } = await back(ref);
      for (const step of steps) if (step.phase === "activate") await shop.apply(step);

      expect(steps.map(({ id }) => id)).toEqual(["activate:web-1"]);
      expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
      expect((await shop.target.live(shop.context()))[0]?.kept).toMatchObject([{ release: TWO }]);
      await expect(back({ release: "gone", digest: "sha256:0" })).rejects.toMatchObject({
        code: "SSH_RELEASE_GONE",
        unit: "web-1",
      });
    });

    it("restarts after the link moved, in both directions, with variables no process list shows", async () => {
      const value = `it's \n$(touch evil) "two"`;
      await using shop = await Shop.open(host, {
        restart: [
          "sh",
          "-c",
          'printf "%s|%s|" "$(cat index.html)" "$TOKEN" >>../../out; cat /proc/$$/cmdline >>../../args',
          "$(touch evil)",
        ],
        env: { TOKEN: secret("TOKEN") },
      });
      const env = { TOKEN: value };
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const first = await shop.plan(ONE);
      for (const step of first.slice(0, 2)) await shop.apply(step, { env });
      shop.epoch += 1;
      await shop.fence();
      await shop.build({ "index.html": "two" });
      const [upload, activate] = await shop.planPair(TWO);
      await shop.apply(upload, { env });
      const before = await shop.apply(activate, { env });
      const handler = shop.handlerOf(activate);
      const end = await handler.revert?.(activate.input, before, shop.context({ env }));

      expect(end).toBe("restored");
      expect(await readFile(join(shop.path, "out"), "utf8")).toBe(
        `one|${value}|two|${value}|one|${value}|`,
      );
      expect(await readFile(join(shop.path, "args"), "utf8")).not.toContain('two"');
      expect(await readdir(host.root)).not.toContain("evil");
    });

    it("puts a service that does not restart back, and says what it printed", async () => {
      await using shop = await Shop.open(host, {
        restart: ["sh", "-c", 'printf "\\033[31mno port\\n" >&2; grep -q one index.html'],
      });
      await shop.deploy(ONE, { "index.html": "one" });
      await shop.build({ "index.html": "two" });
      const [upload, activate] = await shop.planPair(TWO);
      await shop.apply(upload);

      const failure = await shop.apply(activate).catch((error: unknown) => error);
      const handler = shop.handlerOf(activate);
      const previous = { previous: `releases/${ONE}` };
      const end = await handler.revert?.(activate.input, previous, shop.context());

      expect(failure).toMatchObject({
        code: "SSH_COMMAND_FAILED",
        unit: "web-1",
        message: expect.stringMatching(/ended with status 1 on .*:\n\[31mno port$/s),
      });
      expect(end).toBe("restored");
      expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
      // what was never good does not become "the release before"
      expect((await shop.target.live(shop.context()))[0]?.kept).toEqual([]);
    });

    it("runs the restart again when the process died right after the link moved", async () => {
      await using shop = await Shop.open(host, { restart: ["sh", "-c", "echo x >>../../out"] });
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const [upload, activate] = await shop.planPair(ONE);
      await shop.apply(upload);
      const before = await shop.apply(activate);
      const handler = shop.handlerOf(activate);

      await handler.apply(activate.input, before, shop.context());

      expect(await readFile(join(shop.path, "out"), "utf8")).toBe("x\nx\n");
    });

    it("starts an upload over that an earlier try left behind", async () => {
      await using shop = await Shop.open(host);
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const [upload] = await shop.planPair(ONE);
      await shop.apply(upload);
      await writeFile(join(shop.path, ".lockstep/meta", ONE, "state"), "staging\n");
      await writeFile(join(shop.path, "releases", ONE, "left over"), "");

      await shop.apply(upload);

      expect(await stateOf(shop.path, ONE)).toBe("ready");
      expect(await readdir(join(shop.path, "releases", ONE))).toEqual(["index.html"]);
    });

    it("removes what this run uploaded, and nothing that another did", async () => {
      await using shop = await Shop.open(host);
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const [upload] = await shop.planPair(ONE);
      await shop.apply(upload);
      const handler = shop.handlerOf(upload);
      const revert = (run: string) =>
        handler.revert?.(upload.input, null, { ...shop.context(), run });

      expect(await revert("another-run")).toBe("untouched");
      expect(await readdir(join(shop.path, "releases"))).toEqual([ONE]);
      expect(await revert(shop.context().run)).toBe("restored");
      expect(await revert(shop.context().run)).toBe("untouched");
      expect(await readdir(join(shop.path, "releases"))).toEqual([]);
    });

    it("refuses a source that is not the planned one, before it writes anything", async () => {
      await using shop = await Shop.open(host);
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const [upload] = await shop.planPair(ONE);
      await shop.build({ "index.html": "two" });

      await expect(shop.apply(upload)).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
      expect(await stateOf(shop.path, ONE)).toBeNull();
    });

    it("refuses a release id that stands for another content", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });
      await shop.build({ "index.html": "two" });

      await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "SSH_RELEASE_TAKEN" });
    });

    it("leaves a link alone that somebody moved by hand", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });
      await shop.deploy(TWO, { "index.html": "two" });
      await shop.build({ "index.html": "three" });
      const [upload, activate] = await shop.planPair("20261121T101502Z-00000003");
      await shop.apply(upload);
      const handler = shop.handlerOf(activate);
      const ctx = shop.context();
      const before = await handler.inspect(activate.input, ctx);
      const current = join(shop.path, "current");
      await rm(current);
      await symlink(`releases/${ONE}`, current);

      await expect(handler.apply(activate.input, before ?? null, ctx)).rejects.toMatchObject({
        code: "STEP_CONFLICT",
      });
      expect(await handler.revert?.(activate.input, before ?? null, ctx)).toBe("conflict");
      expect(await readlink(current)).toBe(`releases/${ONE}`);
    });
  },
);
