import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  describeStoreContract,
  startFaultProxy,
  startSandboxSsh,
  type StoreWorld,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SshStore, sshStore, type SshStoreOptions } from "../../src/index.ts";
import { KINDS, startHost, type TestHost } from "../world.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = async (store: SshStore, key: string): Promise<string> =>
  Buffer.from((await store.get(key))?.body ?? []).toString();

const codeOf = (error: unknown): string => (error as { readonly code: string }).code;

describe.each(KINDS)("on %s", (kind) => {
  let host: TestHost;
  let count = 0;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  function optionsFor(more: Partial<SshStoreOptions> = {}): SshStoreOptions {
    const { address, port, user, identity, knownHosts } = host.server;
    count += 1;
    const path = join(host.root, `state ${count}`);
    return { host: { address, port, user }, path, identity, knownHosts, ...more };
  }

  const transports = kind === "dash" ? (["ssh2", "openssh"] as const) : (["ssh2"] as const);
  for (const transport of transports) {
    describeStoreContract(`sshStore over ${transport}`, async () => openStore(transport));
  }

  async function openStore(transport: "ssh2" | "openssh"): Promise<StoreWorld> {
    const options = optionsFor({ transport });
    const store = sshStore(options);
    const open = [store];
    return {
      store,
      again: async () => {
        const other = sshStore(options);
        open.push(other);
        return other;
      },
      async dispose() {
        for (const one of open) await one[Symbol.asyncDispose]();
        await rm(options.path, { recursive: true, force: true });
      },
    };
  }

  it("lets one of eight processes in at a time, counts every epoch once and loses no record", async () => {
    const options = optionsFor();
    const rounds = 3;
    const inside = join(host.root, "inside");
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const task = { store: options, name: `p${index}`, rounds, inside };
        const env = { ...process.env, TASK: JSON.stringify(task) };
        const words = ["--conditions=@lockstep/source", PROCESS];
        await promisify(execFile)(process.execPath, words, { env });
      }),
    );

    await using store = sshStore(options);
    const epochs: number[] = [];
    const by: string[] = [];
    for await (const key of store.list("history/")) {
      const record = JSON.parse(await textOf(store, key)) as { epoch: number; by: string };
      epochs.push(record.epoch);
      by.push(record.by);
    }
    expect(epochs).toEqual(Array.from({ length: 8 * rounds }, (_, index) => index + 1));
    expect(new Set(by).size).toBe(8);
  }, 240_000);

  it.each(["ssh2", "openssh"] as const)(
    "lets a process end that says no goodbye, over %s, and leaves nothing there",
    async (transport) => {
      const TMPDIR = await mkdtemp(join(tmpdir(), "ls-"));
      const code = [
        'import { sshStore } from "@lockstep/ssh";',
        "const store = sshStore(JSON.parse(process.env.OPTIONS));",
        'await store.create("lease", Buffer.from("x"));',
      ].join("\n");
      const env = { ...process.env, TMPDIR, OPTIONS: JSON.stringify(optionsFor({ transport })) };
      const words = ["--conditions=@lockstep/source", "--input-type=module", "-e", code];
      const more = { env, timeout: 10_000, cwd: import.meta.dirname };

      expect(await promisify(execFile)(process.execPath, words, more)).toEqual({
        stdout: "",
        stderr: "",
      });
      expect(await readdir(TMPDIR)).toEqual([]);
      await rm(TMPDIR, { recursive: true });
    },
    15_000,
  );

  it("is not readable by others, and a first value is a plain file", async () => {
    const options = optionsFor();
    await using store = sshStore(options);
    await store.create("runs/one/00000000", bytes("hello\n"));

    const file = join(options.path, "runs/one/00000000");
    expect(await readFile(file, "utf8")).toBe("hello\n");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(options.path, "runs"))).mode & 0o777).toBe(0o700);
  });

  it("keeps one value of a key however often it is replaced", async () => {
    const options = optionsFor();
    await using store = sshStore(options);
    await store.create("lease", bytes("0"));
    for (let n = 1; n <= 12; n += 1) {
      const tag = (await store.get("lease"))?.tag ?? "";
      await store.replace("lease", bytes(`${n}`), tag);
    }

    expect(await textOf(store, "lease")).toBe("12");
    const [version = ""] = await readdir(join(options.path, ".lease"));
    expect(version).toMatch(/^v12\./);
    expect(await readdir(join(options.path, ".lease", version))).toHaveLength(1);
    expect((await readdir(join(options.path, ".aside"))).length).toBeLessThanOrEqual(2);
  });

  it("writes once and says so, wherever the connection is cut", async () => {
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
    const { hostKey, user } = host.server;
    const options = optionsFor();
    const cut = { address: proxy.host, port: proxy.port, user, hostKey };
    await using store = sshStore({ ...options, host: cut });
    await store.create("count", bytes("0"));
    const ends: string[] = [];
    for (let n = 1; n <= 16; n += 1) {
      const { body, tag } = (await store.get("count")) ?? { body: [], tag: "" };
      const next = bytes(`${Number(Buffer.from(body).toString()) + 1}`);
      proxy.cutAfter(n % 2 === 0 ? "down" : "up", n * 150);
      setTimeout(() => proxy.heal(), 60);
      const ended = await store.replace("count", next, tag).catch(codeOf);
      ends.push(typeof ended === "string" ? ended : "won");
    }
    const wins = ends.filter((end) => end === "won").length;
    const unknown = ends.filter((end) => end === "SSH_CONNECTION_LOST").length;
    expect(wins + unknown).toBe(16);
    const total = Number(await textOf(store, "count"));
    expect(total).toBeGreaterThanOrEqual(wins);
    expect(total).toBeLessThanOrEqual(wins + unknown);
    expect(wins).toBeGreaterThan(8);
    expect(await store.create("count", bytes("again"))).toBe("exists");
  }, 60_000);
});

const PROCESS = join(import.meta.dirname, "../store-process.ts");

describe("a host that cannot keep a store", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-unfit-"));
  });
  afterAll(async () => rm(folder, { recursive: true }));

  it("is refused when its file system gives one name to two files", async () => {
    const bin = join(folder, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "ln"), '#!/bin/sh\nexec /bin/cp -f "$1" "$2"\n');
    await chmod(join(bin, "ln"), 0o755);
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    await using server = await startSandboxSsh({ folder, env });
    const { address, port, user, identity, knownHosts } = server;
    const path = join(folder, "state");
    await using store = sshStore({ host: { address, port, user }, path, identity, knownHosts });

    await expect(store.get("lease")).rejects.toMatchObject({ code: "SSH_STORE_UNFIT" });
  });
});

describe("the options of a store", () => {
  it("are checked at once, and all problems are named", () => {
    const wrong = { host: "web-1", path: "state", ttlMs: 5, nonsense: 1 } as SshStoreOptions;

    expect(() => sshStore(wrong)).toThrow(
      expect.objectContaining({
        code: "SSH_STORE_OPTIONS",
        message: expect.stringMatching(/path.*ttlMs/s),
      }),
    );
  });

  it("name the place of the state without touching it", () => {
    const store = sshStore({ host: "deploy@web-1:2222", path: "/srv/state" });

    expect(store.place).toBe("ssh://web-1:2222/srv/state");
    expect(store.within("/app").place).toBe(store.place);
  });
});
