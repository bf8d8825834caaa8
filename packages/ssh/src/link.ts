import type { Duplex, Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { TargetContext } from "@lockstep/plugin";
import { ControlChannel, type Opening, openingWith, type Request, type Shell } from "./control.ts";
import type { Where } from "./errors.ts";
import type { Gateway } from "./gateway.ts";
import { shellUnusable } from "./login-errors.ts";
import type { HostSettings, LoginSettings } from "./reach.ts";

/** A command under way on a host. */
export interface Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Status as shells count it, 128 and the number for a signal; rejects when the channel ends without one. */
  readonly status: Promise<number>;
  /** Resolves once nothing comes any more. */
  readonly closed: Promise<void>;
  /** Asks the host to end the command, where that can be asked. */
  stop(): void;
  close(): void;
}

/** One connection, as long as it lasts. What {@link SshHostSettings.transport} stands for. */
export interface Link {
  /** The shell that small requests share. */
  readonly control: ControlChannel;
  /** Starts a shell in a channel of its own, which reads a script up to a line with the nonce, and runs it. */
  open(nonce: string): Promise<Channel>;
  /** The same for a channel that nobody waits for: it is never worth another connection. */
  openSpare?(nonce: string): Promise<Channel>;
  /** Opens a TCP connection from the host; `refused` by the other end, or `denied` by the SSH server. */
  forward(to: {
    readonly address: string;
    readonly port: number;
  }): Promise<Duplex | "refused" | "denied">;
  /** Why the connection ended; pending as long as it is there. */
  readonly lost: Promise<Error>;
  /** Whether the connection keeps this process from ending; true at first. */
  hold(yes: boolean): void;
  /** Says goodbye, so that what was just sent still gets out, and waits for no answer. */
  giveUp(): void;
  /**
   * The same without a goodbye, so that the host still takes what was sent right before; absent where that is not
   * sure.
   */
  leave?(): void;
}

/** What a host needs to be connected. */
export interface SshHostSettings {
  readonly where: Where;
  readonly host: HostSettings;
  readonly login: LoginSettings;
  /** What the connections of one target, or of one store, share. */
  readonly gateway: Gateway;
  /**
   * True for a connection that nobody ends: it is there as long as the process, but does not keep it from
   * ending. It is not asked whether it still works either, so every call needs a time limit.
   */
  readonly isIdle?: boolean;
}

/** Milliseconds between the end of a shell and that of its connection, when both end together. */
const TOGETHER_MS = 100;

/** Command of the channel that becomes the shared shell; any login shell can start it. */
export const SHELL_COMMAND = "exec sh -s";

/**
 * The shared shell, which may be asked at once. When it ends before it answered anything, all that was asked is
 * rejected with `SSH_SHELL_UNUSABLE`, or with why the connection ended, when it ended.
 */
export function startShell(
  channel: Shell,
  where: Where,
  {
    lost,
    opening = openingWith([]),
    isTold = false,
  }: { readonly lost: Promise<Error>; readonly opening?: Opening; readonly isTold?: boolean },
): ControlChannel {
  const explain = async (heard: string): Promise<Error> => {
    const cause = await Promise.race([lost, sleep(TOGETHER_MS)]);
    return cause ?? shellUnusable(where, heard);
  };
  return new ControlChannel(channel, { opening, isTold, explain });
}

/** One try to connect. */
export interface Try {
  /** Ends it, however far it is. */
  readonly stop: AbortSignal;
  /**
   * What the shared shell may be asked while logging in. It grows until then, and may be asked anew when the try is
   * repeated.
   */
  readonly looks: readonly Request[];
}

/** Makes a connection. */
export type Connect = (settings: SshHostSettings, ctx: TargetContext, one: Try) => Promise<Link>;
