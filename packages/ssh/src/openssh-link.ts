import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Duplex, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError, type TargetContext } from "@lockstep/plugin";
import { abortOf, deferred } from "./deferred.ts";
import { trailerCommand, withoutTrailer } from "./framing.ts";
import {
  type Channel,
  type Link,
  SHELL_COMMAND,
  type SshHostSettings,
  startShell,
} from "./link.ts";
import { hostUnreachable } from "./login-errors.ts";
import { meaningOf, passphraseUnsupported, programMissing } from "./openssh-errors.ts";
import { sshWords } from "./openssh-words.ts";
import { patiently } from "./patience.ts";

/** Milliseconds in which the last packets get out. */
const GOODBYE_MS = 250;

/** Characters kept of what ssh says. */
const MOST_SAID = 8192;

/** Longest folder for the socket, in characters: a path of one may have 104, and ssh adds 17 for a moment. */
const LONGEST_FOLDER = 70;

/** One ssh that holds the connection, and how the others that use it are started. */
interface Master {
  readonly child: ChildProcessWithoutNullStreams;
  /** Arguments of an ssh that uses the connection, up to the name of the host. */
  readonly words: readonly string[];
  readonly address: string;
  readonly env: TargetContext["env"];
  readonly said: () => string;
  readonly lost: Promise<Error>;
  readonly others: Set<ChildProcessWithoutNullStreams>;
}

/**
 * Connects with the ssh program of this machine and starts the shell that all requests share.
 *
 * That ssh holds the connection; each further command and tunnel is an ssh of its own that goes through it.
 *
 * @param stop - Ends the try, however far it is.
 * @throws {LockstepError} `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, `SSH_SHELL_UNUSABLE`,
 *   `SSH_PROGRAM_MISSING`, `SSH_PASSPHRASE_UNSUPPORTED`
 */
export async function connectOpenssh(
  settings: SshHostSettings,
  ctx: TargetContext,
  stop: AbortSignal,
): Promise<Link> {
  const { where, host, login, gateway } = settings;
  if (login.passphrase !== undefined) throw passphraseUnsupported(where);
  const traveller = { where, login, ctx, stop };
  const { address, port = 22, user = "" } = login.jump?.[0] ?? host;
  return patiently(traveller, () =>
    gateway.atDoor({ address, port, user }, traveller, async () => open(settings, ctx, stop)),
  );
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
    const control = startShell(shellOf(child), where, lost);
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
    throw stop.aborted
      ? hostUnreachable(where, cause)
      : meaningOf(where, host.user ?? ctx.env["USER"] ?? "", master.said());
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

function startMaster(
  words: readonly string[],
  { folder, address, env }: Pick<Master, "address" | "env"> & { readonly folder: string },
): Master {
  const through = ["-T", ...words, "-o", `ControlPath=${join(folder, "c").replaceAll("%", "%%")}`];
  // what goes wrong with a channel is only told at this level
  const own = [...through, "-o", "ControlMaster=yes", "-o", "LogLevel=INFO"];
  const child = start(env, [...own, "--", address, SHELL_COMMAND]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-MOST_SAID);
  });
  const lost = deferred<Error>();
  child.on("error", (cause) => lost.resolve(cause));
  child.on("close", (code) => {
    const last = said.trim().split("\n").at(-1) ?? "";
    lost.resolve(new Error(last === "" ? `ssh ended with status ${String(code)}` : last));
  });
  const others = new Set<ChildProcessWithoutNullStreams>();
  const mux = [...through, "-o", "ControlMaster=no"];
  return { child, words: mux, address, env, said: () => said, lost: lost.promise, others };
}

/** In a process group of its own: what a terminal sends to stop the run must not end its connections. */
function start(env: Master["env"], words: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn("ssh", words, { env, detached: true });
  child.stdin.on("error", () => {}); // it ended: its status says so
  return child;
}

function startOther(master: Master, words: readonly string[]): ChildProcessWithoutNullStreams {
  const child = start(master.env, [...master.words, ...words]);
  master.others.add(child);
  child.on("close", () => master.others.delete(child));
  child.on("error", () => master.others.delete(child));
  return child;
}

function end({ child, others }: Master): void {
  child.stdin.end();
  for (const other of others) other.kill();
  setTimeout(() => child.kill(), GOODBYE_MS).unref();
}

function hold(child: ChildProcessWithoutNullStreams, yes: boolean): void {
  for (const one of [child, child.stdin, child.stdout, child.stderr] as (Socket | typeof child)[]) {
    if (yes) one.ref();
    else one.unref();
  }
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

/** What ssh says once the other end of a tunnel is there; only at the level of debugging. */
const OPENED = /master session id/;

async function forward(
  master: Master,
  { address, port }: { readonly address: string; readonly port: number },
): Promise<Duplex | "refused" | "denied"> {
  const before = master.said();
  const words = ["-o", "LogLevel=DEBUG1", "-W", `[${address}]:${port}`, "--", master.address];
  const child = startOther(master, words);
  const opened = deferred<boolean>();
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-MOST_SAID);
    if (OPENED.test(said)) opened.resolve(true);
  });
  child.on("close", () => opened.resolve(false));
  child.on("error", () => opened.resolve(false));
  if (await opened.promise) {
    return tunnelOf(child);
  }
  const news = master.said().slice(before.length);
  return /administratively prohibited/.test(news) ? "denied" : "refused";
}

/** Ends as the other end does: what was not yet written when it hung up is no failure of what it said. */
function tunnelOf(child: ChildProcessWithoutNullStreams): Duplex {
  const { stdin, stdout } = child;
  const tunnel = new Duplex({
    read: () => void stdout.resume(),
    write: (chunk: Buffer, _encoding, done) => void stdin.write(chunk, () => done()),
    final: (done) => void stdin.end(() => done()),
    destroy(cause, done) {
      child.kill();
      done(cause);
    },
  });
  stdout.on("data", (chunk: Buffer) => {
    if (!tunnel.push(chunk)) stdout.pause();
  });
  stdout.on("end", () => tunnel.push(null));
  return tunnel;
}
