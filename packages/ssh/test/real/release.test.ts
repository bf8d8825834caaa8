import { execFileSync } from "node:child_process";
import { readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { secret } from "@lockstep/plugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

describe.concurrent.each(["dash", "busybox"] as const)(
  "a release on %s",
  { timeout: 120_000 },
  (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    /** A shop whose deploys get these variables. */
    async function deploy(shop: Shop, release: string, text = release): Promise<void> {
      await shop.deploy(release, { "index.html": text });
    }

    it("gets links to what is shared, which no release takes with it", async () => {
      await using shop = await Shop.open(host, {
        keep: 2,
        shared: {
          dirs: ["storage/logs", { path: "uploads", mode: "0770" }],
          files: ["config/local.json"],
        },
      });
      // by the account, because the folder of the path is its own
      await shop.connection.hosts[0]?.run(shop.context(), {
        text: 'mkdir -p "$P/shared/config" && printf "{}" >"$P/shared/config/local.json"',
        values: { P: shop.path },
      });

      await deploy(shop, ONE);
      await writeFile(join(shop.path, "current/uploads/cat.jpg"), "meow");
      await deploy(shop, TWO);
      for (const n of [3, 4]) await deploy(shop, `20261121T10150${n}Z-0000000${n}`);

      expect(await readFile(join(shop.path, "current/uploads/cat.jpg"), "utf8")).toBe("meow");
      expect(await readlink(join(shop.path, "current/storage/logs"))).toBe(
        "../../../shared/storage/logs",
      );
      expect(await readFile(join(shop.path, "current/config/local.json"), "utf8")).toBe("{}");
      expect((await stat(join(shop.path, "shared/uploads"))).mode & 0o777).toBe(0o770);
      expect(await readdir(join(shop.path, "releases"))).toHaveLength(2);
    });

    it("does not start without a shared file that an operator has to provide", async () => {
      await using shop = await Shop.open(host, { shared: { files: ["local.json"] } });

      await expect(deploy(shop, ONE)).rejects.toMatchObject({
        code: "SSH_SHARED_MISSING",
        message: expect.stringContaining(join(shop.path, "shared/local.json")),
      });
      expect(await shop.observe()).toBeNull();
    });

    it("is refused in the plan when it has something where a shared folder goes", async () => {
      await using shop = await Shop.open(host, { shared: { dirs: ["storage"] } });

      const deployed = shop.deploy(ONE, { "storage/seed.txt": "seed" });

      await expect(deployed).rejects.toMatchObject({ code: "SSH_SHARED_CONFLICT" });
      expect(await readdir(host.root)).not.toContain("storage");
    });

    it.each([
      ["where the variables go", "app.env", "choose another `envFile.path`"],
      ["where a folder for the variables goes", "etc", "choose another `envFile.path`"],
      ["where a folder for what is shared goes", "conf", "Leave it out with `exclude`."],
    ])("is refused in the plan when it has a file %s", async (_, name, hint) => {
      const path = name === "etc" ? "etc/app.env" : "app.env";
      await using shop = await Shop.open(host, {
        shared: { dirs: ["conf/logs"], onConflict: "replace" },
        envFile: { path, values: {} },
      });
      await shop.build({ [name]: "mine" });

      await expect(shop.plan(ONE)).rejects.toMatchObject({
        code: "SSH_SHARED_CONFLICT",
        hint: expect.stringContaining(hint) as string,
      });
    });

    it.each(["refuse", "replace"] as const)(
      "never changes what is shared through a link on the way (%s)",
      async (onConflict) => {
        await using shop = await Shop.open(host, {
          shared: { dirs: ["storage/logs"], onConflict },
          envFile: { path: "storage/.env", values: { A: "1" } },
        });
        const [run] = shop.connection.hosts;
        await run?.run(shop.context(), {
          text: 'mkdir -p "$P/shared/storage/logs" && echo mine >"$P/shared/storage/logs/app.log"',
          values: { P: shop.path },
        });
        await shop.build({ "index.html": "one", "data/logs/seed.txt": "seed" });
        await symlink("data", join(shop.folder, "dist/storage"));

        await shop.fence();
        const steps = await shop.plan(ONE);
        const staged = (async () => {
          for (const step of steps) if (step.phase === "stage") await shop.apply(step);
        })();

        await expect(staged).rejects.toMatchObject({ code: "SSH_SHARED_CONFLICT" });
        const shared = join(shop.path, "shared/storage/logs");
        expect(await readFile(join(shared, "app.log"), "utf8")).toBe("mine\n");
        const data = join(shop.path, "releases", ONE, "data");
        expect(await readdir(data)).toEqual(["logs"]);
      },
    );

    it("gives way to a shared folder when it is told to, also in the next release", async () => {
      await using shop = await Shop.open(host, {
        shared: { dirs: ["storage"], onConflict: "replace" },
      });
      const files = { "storage/seed.txt": "seed", "index.html": "one" };
      await shop.deploy(ONE, files);
      await writeFile(join(shop.path, "shared/storage/seed.txt"), "mine");

      await shop.deploy(TWO, { ...files, "index.html": "two" });

      expect(await readlink(join(shop.path, "current/storage"))).toBe("../../shared/storage");
      expect(await readFile(join(shop.path, "current/storage/seed.txt"), "utf8")).toBe("mine");
    });

    it("has a file with variables that only its owner reads, as a shell understands it", async () => {
      const values = {
        PLAIN: "one",
        SPACES: "one two",
        EVERYTHING: 'it\'s "$(touch evil)" `x` \\ $HOME\nnext * é',
        TOKEN: secret("TOKEN"),
      };
      await using shop = await Shop.open(host, { envFile: { values } });
      const env = { TOKEN: "s3cr3t-value" };
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const steps = await shop.plan(ONE);
      for (const step of steps) if (step.phase === "stage") await shop.apply(step, { env });

      const file = join(shop.path, "releases", ONE, ".env");
      const script = `set -a; . "$0"; printf '%s|' "$PLAIN" "$SPACES" "$EVERYTHING" "$TOKEN"`;
      const read = execFileSync("sh", ["-c", script, file], { encoding: "utf8" });
      expect(read).toBe(`one|one two|${values.EVERYTHING}|s3cr3t-value|`);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(JSON.stringify(steps)).not.toContain("s3cr3t");
    });

    it("is made anew when only its variables or what is shared change, and not otherwise", async () => {
      const path = join(host.root, "furnished", "shop");
      const files = { "index.html": "same" };
      const open = (more: Partial<SshOptions>): Promise<Shop> => Shop.open(host, { path, ...more });
      const whatOf = async (shop: Shop): Promise<readonly string[]> => {
        await shop.build(files);
        const request = { kind: "deploy", release: { id: TWO, createdAt: "" } } as const;
        const ctx = { ...shop.context(), outputs: () => undefined };
        const { changes, steps } = await shop.target.plan(request, ctx);
        expect(steps.length > 0).toBe(changes.length > 0);
        return changes.map(({ action, what }) => `${action} ${what}`);
      };
      await using first = await open({ envFile: { values: { A: "one" } } });
      await first.deploy(ONE, files);

      expect(await whatOf(first)).toEqual([]);
      await using second = await open({ envFile: { values: { A: "two" } } });
      expect(await whatOf(second)).toEqual(["change .env"]);
      second.epoch = 3;
      await second.deploy(TWO, files);
      expect(await readFile(join(path, "current/.env"), "utf8")).toBe("A=two\n");
      expect(await readFile(join(path, "releases", ONE, ".env"), "utf8")).toBe("A=one\n");
      expect(await whatOf(second)).toEqual([]);
      await using elsewhere = await open({ envFile: { values: { A: secret("NOT_HERE") } } });
      expect(await whatOf(elsewhere)).toEqual([]);
      await using shared = await open({
        envFile: { values: { A: "two" } },
        shared: { dirs: ["storage"] },
      });
      expect(await whatOf(shared)).toEqual(["change shared, envFile or prepare"]);
      await using none = await open({});
      expect(await whatOf(none)).toEqual(["change shared, envFile or prepare"]);

      const note = join(path, ".lockstep/meta", TWO, "furnished");
      expect((await stat(note)).mode & 0o777).toBe(0o600);
      expect(await readFile(note, "utf8")).toMatch(/^[0-9a-f]{64}\n[0-9a-f]+:[0-9a-f]{64}\n$/);
    });

    it("is prepared before any link moves, once", async () => {
      const prepare = ["sh", "-c", 'echo "$LOCKSTEP_RELEASE" >built; echo x >>../../prepared'];
      await using shop = await Shop.open(host, { prepare });
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const stage = (await shop.plan(ONE)).filter(({ phase }) => phase === "stage");
      for (const step of [...stage, ...stage]) await shop.apply(step);

      expect(await shop.observe()).toBeNull();
      expect(await readFile(join(shop.path, "releases", ONE, "built"), "utf8")).toBe(`${ONE}\n`);
      expect(await readFile(join(shop.path, "prepared"), "utf8")).toBe("x\n");
    });

    it("does not take what a preparation made into the next one", async () => {
      await using shop = await Shop.open(host, {
        prepare: ["sh", "-c", "[ ! -e built ] && echo x >built"],
      });
      await deploy(shop, ONE);
      await deploy(shop, TWO);

      expect(await readdir(join(shop.path, "current"))).toEqual(["built", "index.html"]);
    });

    it("does not go live when its preparation fails", async () => {
      await using shop = await Shop.open(host, { prepare: ["sh", "-c", "echo no >&2; exit 3"] });

      await expect(deploy(shop, ONE)).rejects.toMatchObject({
        code: "SSH_COMMAND_FAILED",
        message: expect.stringContaining("no"),
      });
      expect(await shop.observe()).toBeNull();
    });

    it("has its tasks run once, before the link moves, whatever happens after", async () => {
      const run = ["sh", "-c", "readlink ../../current >>../../tasks; echo done >>../../tasks"];
      const once: SshOptions["once"] = [{ name: "migrate", run, undo: "leave" }];
      await using shop = await Shop.open(host, { once });
      await deploy(shop, ONE);
      await shop.build({ "index.html": "two" });
      const steps = await shop.plan(TWO);
      for (const step of steps) if (step.phase === "stage") await shop.apply(step);
      const task = steps.find(({ kind: name }) => name === "ssh.once/1");
      if (task === undefined) throw new Error("no task is planned");
      for (let round = 0; round < 3; round += 1) await shop.apply(task);

      expect(task).toMatchObject({ phase: "activate", undo: "leave", wave: 0 });
      expect(await readFile(join(shop.path, "tasks"), "utf8")).toBe(
        `done\nreleases/${ONE}\ndone\n`,
      );
    });

    it("stays as long as a process runs from it", async () => {
      await using shop = await Shop.open(host, { keep: 2 });
      await deploy(shop, ONE);
      const [remote] = shop.connection.hosts;
      const sleeper = '(cd "$P/current/" && exec sleep 60 </dev/null >/dev/null 2>&1) &';
      await remote?.exec(shop.context(), { text: sleeper, values: { P: shop.path } });
      for (const n of [2, 3, 4]) await deploy(shop, `20261121T10150${n}Z-0000000${n}`);

      expect((await readdir(join(shop.path, "releases"))).toSorted()).toEqual([
        ONE,
        "20261121T101503Z-00000003",
        "20261121T101504Z-00000004",
      ]);
    });
  },
);
