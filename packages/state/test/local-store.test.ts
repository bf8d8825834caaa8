import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeStoreContract } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localStore } from "../src/local-store.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-store-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describeStoreContract("the local store", async () => ({
  store: localStore({ folder }),
  again: async () => localStore({ folder }),
}));

describe("the local store", () => {
  it("refuses a process that slept while its version was replaced, swept and forgotten", async () => {
    const store = localStore({ folder });
    await store.create("a", Buffer.from("0"));
    for (let tag = 0; tag < 6; tag += 1) await store.replace("a", Buffer.from("x"), String(tag));
    for (const version of [1, 2, 3]) await rm(join(folder, ".a", String(version)));
    await store.replace("a", Buffer.from("late"), "6");

    const late = await store.replace("a", Buffer.from("too late"), "1");

    expect(late).toBe("moved");
    expect(String((await store.get("a"))?.body)).toBe("late");
  });

  it("keeps files and folders to their owner, and files readable with cat", async () => {
    await chmod(folder, 0o755);
    const store = localStore({ folder: join(folder, "state") });

    await store.create("runs/a/00000000", Buffer.from("{}\n"));

    expect((await stat(join(folder, "state"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "state/runs/a"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "state/runs/a/00000000"))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, "state/runs/a/00000000"), "utf8")).toBe("{}\n");
    expect(await readdir(join(folder, "state/.aside"))).toEqual([]);
  });

  it.each(["", "/a", "a/", "../a", "a/../b", ".a", "a b", "a\\b", "x".repeat(513)])(
    "refuses the key %j",
    async (key) => {
      await expect(localStore({ folder }).get(key)).rejects.toMatchObject({
        code: "STORE_KEY_INVALID",
      });
    },
  );

  it("proves that this process is alive and that a killed one is gone", async () => {
    const { spawn } = await import("node:child_process");
    const { presence } = localStore({ folder });
    const self = await presence?.self();
    const child = spawn("sleep", ["60"]);
    const started = (await readFile(`/proc/${child.pid}/stat`, "utf8"))
      .split(") ")[1]
      ?.split(" ")[19];
    const other = { ...(self as object), pid: child.pid ?? 0, started: started ?? "" };

    expect(await presence?.look(self ?? null)).toBe("alive");
    expect(await presence?.look(other)).toBe("alive");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(await presence?.look(other)).toBe("gone");
    expect(await presence?.look({ ...other, boot: "another" })).toBe("gone");
    expect(await presence?.look({ ...other, machine: "another" })).toBe("unknown");
    expect(await presence?.look(null)).toBe("unknown");
  });

  it("does not begin anew where its folder was removed, also when somebody made another", async () => {
    const base = await mkdtemp(join(tmpdir(), "lockstep-removed-"));
    const store = localStore().within(base);
    await store.create("a", Buffer.from("1"));
    await rm(join(base, ".lockstep"), { recursive: true });

    await expect(store.create("b", Buffer.from("2"))).rejects.toThrow(/was removed/);
    await mkdir(join(base, ".lockstep"));
    await expect(store.create("b", Buffer.from("2"))).rejects.toThrow(/was removed/);
    expect(await readdir(join(base, ".lockstep"))).toEqual([]);
    await rm(base, { recursive: true });
  });
});
