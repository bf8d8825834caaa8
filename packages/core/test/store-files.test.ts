import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localStore } from "../src/store-files.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-store-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function all(keys: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const key of keys) found.push(key);
  return found;
}

describe("the local store", () => {
  it("lets one of many creators win", async () => {
    const stores = Array.from({ length: 50 }, () => localStore({ folder }));

    const results = await Promise.all(
      stores.map((store, index) => store.create("runs/a/00000000", Buffer.from(`${index}`))),
    );

    expect(results.filter((result) => result !== "exists")).toHaveLength(1);
  });

  it("loses no update when many replace one value", async () => {
    const key = "leases/production";
    await localStore({ folder }).create(key, Buffer.from("0"));
    const increment = async (): Promise<void> => {
      const store = localStore({ folder });
      for (;;) {
        const found = await store.get(key);
        const next = Buffer.from(`${Number(String(found?.body)) + 1}`);
        if ((await store.replace(key, next, found?.tag ?? "")) !== "moved") return;
      }
    };

    await Promise.all(Array.from({ length: 20 }, increment));

    expect(String((await localStore({ folder }).get(key))?.body)).toBe("20");
  });

  it("refuses a replacement with the wrong tag and leaves the value", async () => {
    const store = localStore({ folder });
    await store.create("a", Buffer.from("one"));

    expect(await store.replace("a", Buffer.from("two"), "wrong")).toBe("moved");
    expect(await store.replace("b", Buffer.from("two"), "wrong")).toBe("moved");
    expect(String((await store.get("a"))?.body)).toBe("one");
  });

  it("gives another tag to the same bytes written again", async () => {
    const store = localStore({ folder });
    await store.create("a", Buffer.from("same"));
    const first = await store.get("a");

    const second = await store.replace("a", Buffer.from("same"), first?.tag ?? "");

    expect(second).not.toEqual({ tag: first?.tag });
    expect(second).toEqual({ tag: (await store.get("a"))?.tag });
  });

  it("removes only the value that is named", async () => {
    const store = localStore({ folder });
    await store.create("a", Buffer.from("one"));
    const stale = (await store.get("a"))?.tag ?? "";
    await store.replace("a", Buffer.from("two"), stale);

    expect(await store.remove("a", stale)).toBe("moved");
    expect(await store.remove("a", (await store.get("a"))?.tag ?? "")).toBe("removed");
    expect(await store.get("a")).toBeUndefined();
    expect(await store.create("a", Buffer.from("three"))).not.toBe("exists");
  });

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

  it("lists keys below a prefix in ascending order, without what it keeps aside", async () => {
    const store = localStore({ folder });
    for (const key of [
      "runs/b-1/00000001",
      "runs/b-1/00000000",
      "runs/b/00000000",
      "blobs/x",
      "runs/c",
    ]) {
      await store.create(key, Buffer.from(""));
    }

    expect(await all(store.list("runs/b"))).toEqual([
      "runs/b-1/00000000",
      "runs/b-1/00000001",
      "runs/b/00000000",
    ]);
    expect(await all(store.list(""))).toHaveLength(5);
    expect(await all(localStore({ folder: join(folder, "none") }).list("runs/"))).toEqual([]);
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
});
