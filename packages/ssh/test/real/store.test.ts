import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeStoreContract } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SshStore, sshStore } from "../../src/index.ts";
import { KINDS, startHost, type TestHost } from "../world.ts";

describe.each(KINDS)("on %s", (kind) => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  let count = 0;
  const storeAt = (path: string): SshStore => {
    const { address, port, user, identity, knownHosts } = host.server;
    return sshStore({ host: { address, port, user }, path, identity, knownHosts });
  };
  const freshPath = (): string => {
    count += 1;
    return join(host.root, `state ${count}`);
  };

  describeStoreContract("sshStore", async () => {
    const path = freshPath();
    const open = [storeAt(path)];
    return {
      store: open[0]!,
      again: async () => {
        const other = storeAt(path);
        open.push(other);
        return other;
      },
      async dispose() {
        for (const store of open) await store[Symbol.asyncDispose]();
        await rm(path, { recursive: true, force: true });
      },
    };
  });
});
