import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sshd, startSshd } from "@lockstep/testkit";
import { range } from "../bench/trees.ts";
import type { SshOptions } from "../src/index.ts";

/** Where all hosts have their folder; each sees one of its own there. */
const MOUNT = "/mnt";

/** Real hosts that have the same path, each a disk of its own. */
export interface Fleet extends AsyncDisposable {
  readonly servers: readonly Sshd[];
  readonly options: SshOptions;
  /** Folder of the config. */
  readonly folder: string;
  /** What the host of a number has at {@link MOUNT}. */
  disk(index: number): string;
}

/** Starts hosts that all let in the key of the first. */
export async function startFleet(count: number): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lockstep-memory-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const disk = (index: number): string => join(folder, `disk-${index}`);
  const config = [`AuthorizedKeysFile ${join(folder, "keys-0/authorized_keys")}`];
  const servers: Sshd[] = [];
  // one after the other: ports are looked for, and two that look at once may find the same
  for (const index of range(count)) {
    await mkdir(disk(index));
    const keys = join(folder, `keys-${index}`);
    const server = await startSshd({ folder: keys, config, mounts: [[disk(index), MOUNT]] });
    servers.push(stack.use(server));
  }
  const hosts = servers.map(({ address, port, user, hostKey }, index) => ({
    name: `web-${index}`,
    address,
    port,
    user,
    hostKey,
  }));
  const identity = servers[0]?.identity ?? "";
  const options = { hosts, identity, path: `${MOUNT}/shop`, source: "dist", sshConfig: false };
  const owned = stack.move();
  return { servers, folder, disk, options, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
