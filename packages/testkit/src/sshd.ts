import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { killGroup, killProcess, notOutlivingUs } from "./processes.ts";
import type { SandboxSsh } from "./sandbox/ssh.ts";
import { makeKeyPair, writeClientFiles } from "./ssh-keys.ts";

/** How a real sshd is started. */
export interface SshdOptions {
  /** Existing or new folder, absolute, for configuration and keys; each server needs its own. */
  readonly folder: string;
  /** Account that logs in; it must exist. Default root. */
  readonly user?: string;
  /** Further lines of sshd_config. */
  readonly config?: readonly string[];
  /**
   * Folders that only this host sees elsewhere, as `[existing folder, existing mount point]`: so that several
   * hosts on one machine can have the same path.
   */
  readonly mounts?: readonly (readonly [string, string])[];
}

/** A real host on loopback. */
export interface Sshd extends SandboxSsh {
  /** Process id of the daemon; changes with `start`. */
  readonly pid: number;
  /** Ends the daemon and every connection it serves. */
  stop(): Promise<void>;
  /** Starts it again on the same port with the same host key. */
  start(): Promise<void>;
}

/** Name of the file with the number of the process. */
const PID_FILE = "sshd.pid";

/** How often a port is tried that others take for themselves between two looks. */
const TRIES = 20;

/** Milliseconds between two tries of a port that has to be the same. */
const PATIENCE_MS = 250;

/** Why an sshd did not start: another program has its port. */
class PortTaken extends Error {}

/**
 * Starts the system's OpenSSH server on a free loopback port. Needs root and `/usr/sbin/sshd`.
 *
 * @param nextPort - Which port to try next; one that another program took meanwhile is left to it.
 * @see sshd_config(5)
 */
export async function startSshd(
  options: SshdOptions,
  nextPort: () => Promise<number> = freePort,
): Promise<Sshd> {
  return untilFree(async () => startOn(await nextPort(), options));
}

/** Tries again while the port is taken. */
async function untilFree<T>(start: () => Promise<T>, pauseMs = 0): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof PortTaken) || tries === TRIES) throw error;
      await sleep(pauseMs);
    }
  }
}

async function startOn(port: number, options: SshdOptions): Promise<Sshd> {
  const { folder, user = "root" } = options;
  const account = await lookUp(user);
  await mkdir("/run/sshd", { recursive: true });
  await mkdir(folder, { recursive: true });
  const [host, client] = [makeKeyPair(), makeKeyPair()];
  const config = await writeServerFiles({
    ...options,
    uid: account.uid,
    port,
    host: host.private,
    login: client.public,
  });
  const address = "127.0.0.1";
  const hostKey = host.public;
  const files = await writeClientFiles(join(folder, "client"), {
    address,
    port,
    hostKey,
    key: client.private,
  });
  const launchOnce = (): Promise<ChildProcess> => launch(config, port, options);
  let daemon = await launchOnce();
  return {
    address,
    port,
    user,
    hostKey,
    folder: account.home,
    ...files,
    get pid() {
      return daemon.pid ?? 0;
    },
    stop: () => stop(daemon),
    async start() {
      await stop(daemon);
      daemon = await untilFree(launchOnce, PATIENCE_MS);
    },
    [Symbol.asyncDispose]: () => stop(daemon, { commands: true }),
  };
}

async function writeServerFiles(
  server: SshdOptions & {
    readonly port: number;
    readonly host: string;
    readonly login: string;
    readonly uid: number;
  },
): Promise<string> {
  const { folder, port } = server;
  const hostKey = join(folder, "host_ed25519");
  const authorized = join(folder, "authorized_keys");
  await writeFile(hostKey, server.host, { mode: 0o600 });
  await writeFile(authorized, `${server.login}\n`, { mode: 0o644 });
  // sshd reads authorized_keys as the account; every folder above must let it through.
  await chmod(folder, 0o755);
  await chown(authorized, server.uid, -1);
  const path = join(folder, "sshd_config");
  const lines = [
    ...(server.config ?? []), // the first value of a keyword counts
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorized}`,
    `PidFile ${join(folder, PID_FILE)}`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "PermitRootLogin yes",
    "MaxStartups 100",
    "PrintMotd no",
    "Subsystem sftp internal-sftp",
  ];
  await writeFile(path, `${lines.join("\n")}\n`);
  return path;
}

/** @see passwd(5) */
async function lookUp(user: string): Promise<{ readonly uid: number; readonly home: string }> {
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const [, , uid, , , home] = lines.find(([name]) => name === user) ?? [];
  if (uid === undefined || home === undefined) throw new Error(`There is no account ${user}.`);
  return { uid: Number(uid), home };
}

async function launch(
  config: string,
  port: number,
  { folder, mounts = [] }: SshdOptions,
): Promise<ChildProcess> {
  // A mount namespace of its own; each mount is two words of the script, and sshd takes the shell's place.
  const script =
    'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit; shift 2; done; shift; exec "$@"';
  const sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", config];
  const apart = ["unshare", "--mount", "sh", "-c", script, "sh", ...mounts.flat(), "--", ...sshd];
  const [program, ...words] = notOutlivingUs(mounts.length === 0 ? sshd : apart);
  const daemon = spawn(program, words, {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let said = "";
  daemon.stderr?.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-2000);
  });
  for (let tries = 0; tries < 200; tries += 1) {
    if (daemon.exitCode !== null) {
      const what = `sshd ended: ${said}`;
      throw said.includes("Address already in use") ? new PortTaken(what) : new Error(what);
    }
    // who greets may be another server that was quicker: this one writes its number once the port is its own
    if ((await pidIn(folder)) === daemon.pid && (await greets(port))) return daemon;
    await sleep(25);
  }
  await killGroup(daemon);
  throw new Error(`sshd does not answer: ${said}`);
}

/** What the daemon that was started last in a folder wrote down. */
async function pidIn(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, PID_FILE), "utf8").catch(() => "");
  return text.endsWith("\n") ? Number(text) : undefined;
}

/** True when a server on the port sends an SSH banner. */
async function greets(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    const [banner] = (await once(socket, "data")) as [Buffer];
    return banner.toString().startsWith("SSH-2.0-");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Sessions run in process groups of their own: they are found by their parent. Commands outlive them unless told. */
async function stop(daemon: ChildProcess, { commands = false } = {}): Promise<void> {
  const sessions = daemon.pid === undefined ? [] : await descendantsOf(daemon.pid);
  await killGroup(daemon);
  for (const { pid, name } of sessions) if (commands || name === "sshd") killProcess(pid);
}

interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

async function descendantsOf(root: number): Promise<Running[]> {
  const all = (
    await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(running))
  ).flat();
  const found: Running[] = [];
  let parents = new Set([root]);
  while (parents.size > 0) {
    const children = all.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map(({ pid }) => pid));
  }
  return found;
}

async function running(pid: string): Promise<Running[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(stat) ?? [];
  return name === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), name }];
}
