import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
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

/**
 * Makes an account with a home of its own; needs root, useradd, and dash or busybox. Removed on dispose, with
 * its processes.
 */
export async function createAccount({ name, shell }: AccountOptions): Promise<Account> {
  const account = name ?? `ls${randomBytes(4).toString("hex")}`;
  const home = `/home/${account}`;
  const tools = `/opt/${account}`;
  const login = shell === "dash" ? "/bin/dash" : await busyboxShell(tools);
  await alone("useradd", ["--create-home", "--home-dir", home, "--shell", login, account]);
  await alone("usermod", ["-p", "*", account]); // else UsePAM no takes the account as locked
  const { uid } = await stat(home);
  return {
    name: account,
    home,
    uid,
    async [Symbol.asyncDispose]() {
      await endAllOf(uid);
      await alone("userdel", ["--remove", account]).catch(ignoreMailbox);
      await rm(tools, { recursive: true, force: true });
    },
  };
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
