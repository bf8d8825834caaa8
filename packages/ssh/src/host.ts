import type { Duplex } from "node:stream";
import type { TargetContext } from "@lockstep/plugin";
import type { Script } from "./shell.ts";

/** What a command on a host printed and how it ended. */
export interface Ran {
  /** Exit status, 0 to 255. A command without one (killed, connection lost) is an error, never a result. */
  readonly status: number;
  /** At most the limit of the call; what came after is dropped. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Bounds of one call. */
export interface Limits {
  /** Most bytes kept of each stream; default 65,536. */
  readonly outputBytes?: number;
  /** True for data that is no text: stdout then holds one character, U+0000 to U+00FF, for each byte. */
  readonly asBytes?: boolean;
  /** True for what changes nothing: it may go ahead while logging in, and is run again when that is done again. */
  readonly isLook?: boolean;
  /** Milliseconds the command may take; default: until the signal of the context aborts. */
  readonly timeoutMs?: number;
}

/**
 * One server, as the steps see it. Connected when first used, and again after a connection was lost.
 *
 * Every call may throw `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, `SSH_CONNECTION_LOST`
 * or `SSH_TIMEOUT`; after the last two it is unknown whether the command ran, runs or will run.
 */
export interface RemoteHost extends AsyncDisposable {
  /** Name of the unit. */
  readonly name: string;
  /** `ssh://web-1:22/srv/shop`. */
  readonly place: string;
  /** Runs a script in the one shell that all such calls share, one after the other; stdin is empty. */
  run(ctx: TargetContext, script: Script, limits?: Limits): Promise<Ran>;
  /**
   * Runs a script as {@link run} does, where there is a connection; does not make one.
   *
   * @returns undefined where there was none, or it was lost meanwhile
   */
  runIfOpen(script: Script): Promise<Ran | undefined>;
  /**
   * Runs a script as {@link runIfOpen} does, as the last thing before the host is disposed of: resolves once it will
   * run whatever happens here, which may be before it has.
   */
  runLast(script: Script): Promise<void>;
  /** Has so many calls of {@link exec} find a shell that runs already, where that can be; nobody waits for it. */
  prepare(ctx: TargetContext, count: number): void;
  /** Runs a script in a shell of its own, with `body` as stdin: for bulk data and for commands of the user. */
  exec(
    ctx: TargetContext,
    script: Script,
    more?: Limits & { readonly body?: AsyncIterable<Uint8Array> },
  ): Promise<Ran>;
  /**
   * Opens a TCP connection from the host to an address as the host sees it.
   *
   * @returns The connection, or why the host could not make it: `refused` by the other end or the network,
   *   `denied` by the SSH server.
   */
  tunnel(
    ctx: TargetContext,
    to: { readonly address: string; readonly port: number },
  ): Promise<Duplex | "refused" | "denied">;
}
