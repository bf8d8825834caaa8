import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { TargetContext } from "@lockstep/plugin";
import { localPath } from "./local-path.ts";
import { sshConfigUnreadable } from "./login-errors.ts";
import { withIncludes } from "./ssh-config-include.ts";

/** What is known of a host before ssh_config is asked: it counts more. */
export interface Asked {
  readonly address: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
}

/** What ssh_config says about a host. Paths may start with `~/`. */
export interface ConfiguredHost {
  readonly hostName?: string | undefined;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  readonly identityFiles: readonly string[];
  /** A socket, `SSH_AUTH_SOCK`, or `none`. */
  readonly identityAgent?: string | undefined;
  readonly identitiesOnly: boolean;
  readonly knownHosts: readonly string[];
  /** File of keys that no host may show. */
  readonly revokedHostKeys?: string | undefined;
  readonly hostKeyAlias?: string | undefined;
  /** `user@host:port,…`; undefined for none. */
  readonly proxyJump?: string | undefined;
  readonly proxyCommand?: string | undefined;
}

/** Milliseconds that reading may take: a `Match exec` in the file may run a program. */
const READ_MS = 10_000;

/**
 * Reads what ssh_config says about a host: with `ssh -G` where there is an ssh, else with a parser.
 *
 * @param file - Read instead of the user's and the machine's; the same as `ssh -F`.
 * @throws {LockstepError} `SSH_CONFIG_UNREADABLE`
 * @see ssh_config(5)
 */
export async function readSshConfig(
  asked: Asked,
  file: string | undefined,
  ctx: TargetContext,
): Promise<ConfiguredHost> {
  const path = file === undefined ? undefined : localPath(file, ctx);
  try {
    const words = await askProgram(asked, path, ctx);
    return configured(words ?? (await parseFiles(asked, path, ctx)));
  } catch (cause) {
    ctx.signal.throwIfAborted();
    throw sshConfigUnreadable(asked.address, cause);
  }
}

/** Keywords in lower case, with every value they have. */
type Keywords = ReadonlyMap<string, readonly string[]>;

/** What `ssh -G` prints; undefined where there is no such program. */
async function askProgram(
  { address, user, port }: Asked,
  path: string | undefined,
  { env, signal }: TargetContext,
): Promise<Keywords | undefined> {
  const words = [
    "-G",
    ...(path === undefined ? [] : ["-F", path]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "--",
    address,
  ];
  try {
    const { stdout } = await promisify(execFile)("ssh", words, { env, signal, timeout: READ_MS });
    return keywords(stdout.split("\n").map((line) => splitOnce(line)));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
    throw said === "" ? cause : new Error(said, { cause });
  }
}

function splitOnce(line: string): readonly [string, string] {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
}

/** The file of the machine. */
const MACHINE = "/etc/ssh/ssh_config";

/** What a parser makes of the files, for machines without ssh. */
async function parseFiles(
  { address, user }: Asked,
  path: string | undefined,
  ctx: TargetContext,
): Promise<Keywords> {
  const paths = path === undefined ? ["~/.ssh/config", MACHINE] : [path];
  const texts = await Promise.all(
    paths.map(async (one) => {
      const found = readFile(localPath(one, ctx), "utf8");
      const text = await (path === undefined ? found.catch(() => "") : found);
      const folder = one === MACHINE ? dirname(one) : "~/.ssh";
      return withIncludes(text, { folder, ctx });
    }),
  );
  const { default: SSHConfig } = await import("ssh-config");
  const query = user === undefined ? { Host: address } : { Host: address, User: user };
  const found = SSHConfig.parse(texts.join("\nMatch all\n")).compute(query, { ignoreCase: true });
  return keywords(
    Object.entries(found).flatMap(([name, value]) =>
      [value].flat().map((one) => [name, one] as const),
    ),
  );
}

function keywords(pairs: readonly (readonly [string, string])[]): Keywords {
  const all = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    if (name === "") continue;
    all.set(name.toLowerCase(), [...(all.get(name.toLowerCase()) ?? []), value]);
  }
  return all;
}

const KNOWN_HOSTS = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"].join(" ");
const GLOBAL_KNOWN_HOSTS = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].join(" ");
const IDENTITIES = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];

function configured(words: Keywords): ConfiguredHost {
  const first = (name: string): string | undefined => {
    const value = words.get(name)?.[0];
    return value === undefined || value.toLowerCase() === "none" ? undefined : value;
  };
  const port = first("port");
  const files = `${first("userknownhostsfile") ?? KNOWN_HOSTS} ${first("globalknownhostsfile") ?? GLOBAL_KNOWN_HOSTS}`;
  return {
    hostName: first("hostname"),
    user: first("user"),
    port: port === undefined ? undefined : Number(port),
    identityFiles: (words.get("identityfile") ?? IDENTITIES).filter((path) => path !== "none"),
    identityAgent: words.get("identityagent")?.[0],
    identitiesOnly: first("identitiesonly") === "yes",
    knownHosts: files.split(/\s+/).map((path) => inHome(path.replaceAll('"', ""))),
    revokedHostKeys: first("revokedhostkeys"),
    hostKeyAlias: first("hostkeyalias"),
    proxyJump: first("proxyjump"),
    proxyCommand: first("proxycommand"),
  };
}

/** `ssh` asks the system where home is, and everything else here asks `HOME`. */
function inHome(path: string): string {
  try {
    const { homedir: home } = userInfo();
    return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
  } catch {
    return path; // a container may run under a number that has no account
  }
}
