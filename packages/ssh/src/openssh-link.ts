import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError, type LockstepError, type TargetContext } from "@lockstep/plugin";
import { abortOf, deferred } from "./deferred.ts";
import { trailerCommand, withoutTrailer } from "./framing.ts";
import { type Channel, type Link, type SshHostSettings, startShell, type Try } from "./link.ts";
import { hostUnreachable, shellUnusable } from "./login-errors.ts";
import {
  isJumpRefusal,
  meaningOf,
  passphraseUnsupported,
  programMissing,
} from "./openssh-errors.ts";
import { end, hold, type Master, startMaster, startOther } from "./openssh-master.ts";
import { forward } from "./openssh-tunnel.ts";
import { findIdentity, sshWords } from "./openssh-words.ts";
import { patiently } from "./patience.ts";
import type { Endpoint, HostSettings } from "./reach.ts";

/** Longest folder for the socket, in characters: a path of one may have 104, and ssh adds 17 for a moment. */
const LONGEST_FOLDER = 70;

/**
 * Connects with the ssh program of this machine and starts the shell that all requests share.
 *
 * That ssh holds the connection; each further command and tunnel is an ssh of its own that goes through it.
 *
 * @throws {LockstepError} `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, `SSH_SHELL_UNUSABLE`,
 *   `SSH_PROGRAM_MISSING`, `SSH_PASSPHRASE_UNSUPPORTED`, `SSH_KEY_UNREADABLE`
 */
export async function connectOpenssh(
  settings: SshHostSettings,
  ctx: TargetContext,
  { stop }: Try,
): Promise<Link> {
  const { where, host, login, gateway } = settings;
  if (login.passphrase !== undefined) throw passphraseUnsupported(where);
  await findIdentity(login, ctx);
  const traveller = { where, login, ctx, stop };
  const atEnd = async (): Promise<Link> =>
    gateway.atDoor(doorOf(host), traveller, async () => open(settings, ctx, stop));
  const jump = login.jump?.[0];
  if (jump === undefined) return patiently(traveller, atEnd);
  // whoever was refused behind a jump host got through it: others may try
  const made = await patiently(traveller, () =>
    gateway.atDoor(doorOf(jump), traveller, async () => atEnd().catch(unlessOnTheWay)),
  );
  if (isLockstepError(made)) throw made;
  return made;
}

function doorOf({
  address,
  port = 22,
  user = "",
}: HostSettings): Pick<Endpoint, "user" | "address" | "port"> {
  return { address, port, user };
}

/** The refusal of a host behind jump hosts. */
function unlessOnTheWay(cause: unknown): LockstepError {
  const isRefusal = isLockstepError(cause) && cause.code === "SSH_AUTH_FAILED";
  if (isRefusal && !isJumpRefusal(cause)) return cause;
  throw cause;
}

async function open(
  { where, host, login }: SshHostSettings,
  ctx: TargetContext,
  stop: AbortSignal,
): Promise<Link> {
  const top = tmpdir().length > LONGEST_FOLDER ? "/tmp" : tmpdir();
  const folder = await mkdtemp(join(top, "lockstep-"));
  const words = await sshWords({ host, login, ctx, folder });
  const master = startMaster(words, { folder, address: host.address, env: ctx.env });
  const { child, lost } = master;
  const stopped = abortOf(stop);
  void removeAtEnd(folder, lost);
  try {
    const gone = lost.then((cause) => Promise.reject(cause));
    gone.catch(() => undefined);
    const control = startShell(shellOf(child), where, { lost });
    // the program logs in, and tells that it could by the first answer alone
    await Promise.race([control.ready, gone, stopped.promise]);
    void lost.then((cause) => control.end(cause));
    void control.ended.then(() => end(master));
    return {
      control,
      open: async (nonce) => openChannel(master, nonce),
      forward: async (to) => forward(master, to),
      lost,
      hold: (yes) => hold(child, yes),
      giveUp: () => end(master),
    };
  } catch (cause) {
    child.kill("SIGKILL");
    await lost;
    if (isLockstepError(cause)) throw cause;
    if (isMissing(cause)) throw programMissing(where, cause);
    if (stop.aborted) throw hostUnreachable(where, cause);
    // a status of its own is the shell's: whoever could not log in has 255
    if (child.exitCode !== null && child.exitCode !== 255)
      throw shellUnusable(where, master.said());
    throw meaningOf(where, host.user ?? ctx.env["USER"] ?? "", master.said());
  } finally {
    stopped.forget();
  }
}

/** An idle connection is never ended by anybody: then the end of the process has to do. */
async function removeAtEnd(folder: string, lost: Promise<Error>): Promise<void> {
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  await lost;
  process.off("exit", remove);
  remove();
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

function closeOf(child: ChildProcessWithoutNullStreams): Promise<void> {
  const { promise, resolve } = deferred<void>();
  child.on("close", () => resolve());
  child.on("error", () => resolve());
  return promise;
}

function shellOf(
  child: ChildProcessWithoutNullStreams,
): Omit<Channel, "status" | "stop" | "close"> {
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    closed: closeOf(child),
  };
}

function openChannel(master: Master, nonce: string): Channel {
  const words = ["-o", "LogLevel=ERROR", "--", master.address, trailerCommand(nonce)];
  const child = startOther(master, words);
  const status = deferred<number>();
  status.promise.catch(() => undefined);
  child.on("error", (cause) => status.reject(cause));
  const stderr = Readable.from(
    withoutTrailer(child.stderr as AsyncIterable<Buffer>, nonce, (code) => status.resolve(code)),
    { objectMode: false },
  );
  child.on("exit", (code) => {
    // 255 is also what ssh says when the connection is gone; the trailer, if any, is read by then
    void sleep(TRAILER_MS, undefined, { ref: false }).then(() =>
      code === null || code === 255
        ? status.reject(new Error("the command ended without a status"))
        : status.resolve(code),
    );
  });
  const stop = (): void => void child.kill();
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr,
    status: status.promise,
    closed: closeOf(child),
    stop,
    close: stop,
  };
}

/** Milliseconds in which what a command said last is read after its end. */
const TRAILER_MS = 100;
