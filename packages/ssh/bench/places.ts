import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createAccount, type SandboxSsh, startSshd } from "@lockstep/testkit";
import type { Way } from "./peers.ts";

/** Milliseconds each way of a line that is far. */
const DELAY_MS = 25;

/** A host, near and far, that sees a folder of its own at {@link MOUNT}. */
export interface Place {
  readonly near: Way;
  readonly far: Way;
  readonly hostKey: string;
  /** Where the folder really is. */
  readonly folder: string;
}

/** Where all hosts have their folder. */
export const MOUNT = "/mnt";

/** A process of its own for each line, so that it costs this one nothing. */
async function slowLine(port: number, stack: AsyncDisposableStack): Promise<number> {
  const words = [join(import.meta.dirname, "slow-line.ts"), `${port}`, `${DELAY_MS}`];
  const line = spawn(process.execPath, words);
  stack.defer(() => void line.kill());
  const [said] = (await once(line.stdout, "data")) as [Buffer];
  return Number(said.toString());
}

/**
 * Starts a server of this machine, and a slow line to it.
 *
 * @param first - Whose account and key it shares.
 */
export async function startPlace(
  { index, base }: { readonly index: number; readonly base: string },
  first: Sandbox | undefined,
  stack: AsyncDisposableStack,
): Promise<Place & { readonly sandbox: Sandbox }> {
  const account = first?.account ?? stack.use(await createAccount({ shell: "dash" }));
  const folder = await mkdtemp(join(base, `lockstep-host-${index}-`));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await chown(folder, account.uid, account.uid);
  const keys = join(account.home, `.server-${index}`);
  // all let in the key of the first
  const config = first === undefined ? [] : [`AuthorizedKeysFile ${first.keys}/authorized_keys`];
  const server = stack.use(
    await startSshd({ folder: keys, user: account.name, config, mounts: [[folder, MOUNT]] }),
  );
  const sandbox = first ?? { account, keys, server };
  const login = { user: account.name, identity: sandbox.server.identity };
  return {
    near: { server: login, port: server.port },
    far: { server: login, port: await slowLine(server.port, stack) },
    hostKey: server.hostKey,
    folder,
    sandbox,
  };
}

/** What places share. */
export interface Sandbox {
  readonly account: Awaited<ReturnType<typeof createAccount>>;
  readonly keys: string;
  readonly server: SandboxSsh;
}
