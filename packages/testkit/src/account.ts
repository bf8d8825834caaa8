import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { isAbandoned, ownerComment } from "./account-owner.ts";
import { killProcess } from "./processes.ts";

const run = promisify(execFile);

/** A local account, made for a test. */
export interface Account extends AsyncDisposable {
  readonly name: string;
  readonly home: string;
  readonly uid: number;
}

/** Which shell and tools an account has. */
export interface AccountOptions {
  /** At most 32 characters; default a fresh name. */
  readonly name?: string;
  /** `dash` with the system's tools, or `busybox`: ash, and a PATH of busybox applets only. */
  readonly shell: "dash" | "busybox";
}

/** Resolves when the accounts are removed that others left behind; once for a process. */
let swept: Promise<void> | undefined;

/**
 * Makes an account with a home of its own; needs root, useradd, and dash or busybox. Removed on dispose, with
 * its processes; by the next process that makes one when this process is killed.
 */
export async function createAccount({ name, shell }: AccountOptions): Promise<Account> {
  await (swept ??= whileNobodyElse(removeAbandoned));
  const account = name ?? `ls${randomBytes(4).toString("hex")}`;
  const home = `/home/${account}`;
  const login = shell === "dash" ? "/bin/dash" : await busyboxShell(toolsOf(account));
  const owner = ["--comment", await ownerComment()];
  await alone("useradd", [
    "--create-home",
    "--home-dir",
    home,
    "--shell",
    login,
    ...owner,
    account,
  ]);
  await alone("usermod", ["-p", "*", account]); // else UsePAM no takes the account as locked
  const { uid } = await stat(home);
  return {
    name: account,
    home,
    uid,
    [Symbol.asyncDispose]: () => remove(account, uid),
  };
}

/**
 * Removes the accounts that processes made which are gone: tests that were killed.
 *
 * @see passwd(5)
 */
async function removeAbandoned(): Promise<void> {
  for (const line of (await readFile("/etc/passwd", "utf8")).split("\n")) {
    const [account = "", , uid, , comment = ""] = line.split(":");
    // What cannot be removed now is left to the next, and fails no test of this one.
    if (await isAbandoned(comment)) await remove(account, Number(uid)).catch(() => undefined);
  }
}

/**
 * Two that remove one account could end the processes of a third that got its number. The name of a socket has
 * one owner, and is free when that process ends, however it ends.
 *
 * @see unix(7), abstract sockets
 */
async function whileNobodyElse(act: () => Promise<void>): Promise<void> {
  const owner = createServer();
  for (;;) {
    try {
      await once(owner.listen("\0lockstep-test-accounts"), "listening");
      break;
    } catch (error) {
      if (!String(error).includes("EADDRINUSE")) throw error;
      await sleep(50);
    }
  }
  try {
    await act();
  } finally {
    owner.close();
  }
}

async function remove(account: string, uid: number): Promise<void> {
  await endAllOf(uid);
  await alone("userdel", ["--remove", account]).catch(ignoreMailbox);
  await rm(toolsOf(account), { recursive: true, force: true });
}

function toolsOf(account: string): string {
  return `/opt/${account}`;
}

/** The tools of shadow take a lock for a moment; another suite may hold it. */
async function alone(tool: string, words: readonly string[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await run(tool, words);
      return;
    } catch (error) {
      if (tries === 50 || !String(error).includes("cannot lock")) throw error;
      await sleep(100);
    }
  }
}

/** A login shell that is busybox's ash and sees nothing but busybox. */
async function busyboxShell(folder: string): Promise<string> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  await run("busybox", ["--install", "-s", bin]);
  const shell = join(folder, "ash");
  await writeFile(shell, `#!${bin}/sh\nPATH=${bin}\nexport PATH\nexec ${bin}/ash "$@"\n`);
  await chmod(shell, 0o755);
  await chmod(folder, 0o755);
  return shell;
}

/** Ends the account's processes; userdel refuses while there is one. */
async function endAllOf(uid: number): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    const pids = await runningAs(uid);
    if (pids.length === 0) return;
    for (const pid of pids) killProcess(pid);
    await sleep(20);
  }
}

/** @see proc_pid_status(5) */
async function runningAs(uid: number): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      const isTheirs = /^Uid:\t(\d+)/m.exec(status)?.[1] === String(uid);
      return isTheirs && !/^State:\tZ/m.test(status) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** userdel ends with 12 when it could not remove a mailbox or the home: there never was a mailbox. */
function ignoreMailbox(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === 12)) throw error;
}
