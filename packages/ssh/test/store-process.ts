// One of several processes that fight for a store: each takes the lease, works, and lets it go, ROUNDS times.
import { open, unlink } from "node:fs/promises";
import { sshStore, type SshStoreOptions } from "../src/index.ts";

interface Lease {
  readonly epoch: number;
  readonly holder: string | null;
}

/** What the test tells a process, in the variable TASK. */
export interface Task {
  readonly store: SshStoreOptions;
  readonly name: string;
  readonly rounds: number;
  /** A file that is there while somebody holds the lease. */
  readonly inside: string;
}

const { store: options, name, rounds, inside } = JSON.parse(process.env["TASK"] ?? "") as Task;
await using store = sshStore(options);

async function take(): Promise<{ epoch: number; tag: string } | undefined> {
  const found = await store.get("lease");
  if (found === undefined) {
    await store.create("lease", Buffer.from(JSON.stringify({ epoch: 0, holder: null })));
    return undefined;
  }
  const lease = JSON.parse(Buffer.from(found.body).toString()) as Lease;
  if (lease.holder !== null) return undefined;
  const epoch = lease.epoch + 1;
  const body = Buffer.from(JSON.stringify({ epoch, holder: name }));
  const taken = await store.replace("lease", body, found.tag);
  return taken === "moved" ? undefined : { epoch, tag: taken.tag };
}

for (let left = rounds; left > 0;) {
  const held = await take();
  if (held === undefined) continue;
  left -= 1;
  await (await open(inside, "wx")).close(); // fails when another one is inside
  const record = Buffer.from(`${JSON.stringify({ epoch: held.epoch, by: name })}\n`);
  const made = await store.create(`history/${String(held.epoch).padStart(4, "0")}`, record);
  if (made === "exists") throw new Error(`epoch ${held.epoch} was there already`);
  await unlink(inside);
  const free = Buffer.from(JSON.stringify({ epoch: held.epoch, holder: null }));
  if ((await store.replace("lease", free, held.tag)) === "moved") {
    throw new Error(`the lease of epoch ${held.epoch} was taken from its holder`);
  }
}
