import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TargetContext } from "@lockstep/plugin";
import { localPath } from "./local-path.ts";
import { keyUnreadable } from "./login-errors.ts";
import type { HostSettings, LoginSettings } from "./reach.ts";
import { quoteAll } from "./shell.ts";

/** Name by which a pinned key is found in the file that holds nothing else. */
const PINNED = "lockstep-pinned";

/** What no ssh_config may change: nothing is asked, nothing is forwarded, no key is learned. */
const FIXED: Readonly<Record<string, string>> = {
  BatchMode: "yes",
  ClearAllForwardings: "yes",
  ControlPersist: "no",
  EscapeChar: "none",
  ForwardAgent: "no",
  ForwardX11: "no",
  PermitLocalCommand: "no",
  RemoteCommand: "none",
  RequestTTY: "no",
  ServerAliveCountMax: "3",
  ServerAliveInterval: "15",
  StrictHostKeyChecking: "yes",
  UpdateHostKeys: "no",
};

/** What the words are made from. */
export interface Wording {
  readonly host: HostSettings;
  readonly login: LoginSettings;
  readonly ctx: TargetContext;
  /** Private folder of this connection. */
  readonly folder: string;
}

/**
 * Looks for the identity that the config names: ssh would go on without it, and without a word. The public half is
 * enough for a key that an agent holds.
 *
 * @throws {LockstepError} `SSH_KEY_UNREADABLE`
 */
export async function findIdentity(
  { identity }: Pick<LoginSettings, "identity">,
  ctx: TargetContext,
): Promise<void> {
  if (identity === undefined) return;
  const path = localPath(identity, ctx);
  try {
    await access(path);
  } catch (cause) {
    await access(`${path}.pub`).catch(() => {
      throw keyUnreadable(path, cause);
    });
  }
}

/**
 * Arguments of `ssh` up to the name of the host, which has to follow `--`. Writes pinned keys to the folder.
 * @see ssh_config(5)
 */
export async function sshWords(wording: Wording): Promise<string[]> {
  const { login } = wording;
  const own = await endWords(wording, "end");
  return [...own, ...(login.jump === undefined ? [] : await jumpWords(wording, login.jump))];
}

/** Words for one server; `name` is the name of its file. */
async function endWords({ host, login, ctx, folder }: Wording, name: string): Promise<string[]> {
  const { sshConfig, identity, agent } = login;
  const options: Record<string, string> = {
    ...FIXED,
    ConnectTimeout: String(Math.ceil(login.connectTimeoutMs / 1000)),
    ...(await trustOptions({ host, login, ctx, folder }, name)),
    ...(identity === undefined ? {} : { IdentitiesOnly: agent === true ? "no" : "yes" }),
    ...((agent ?? identity === undefined) ? {} : { IdentityAgent: "none" }),
  };
  return [
    ...(sshConfig === true ? [] : ["-F", sshConfig === false ? "none" : localPath(sshConfig, ctx)]),
    ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ...(identity === undefined ? [] : ["-i", escaped(localPath(identity, ctx))]),
    ...(host.user === undefined ? [] : ["-l", host.user]),
    ...(host.port === undefined ? [] : ["-p", String(host.port)]),
  ];
}

async function trustOptions(
  { host, login, ctx, folder }: Wording,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  const only = (path: string): Record<string, string> => ({
    UserKnownHostsFile: `"${escaped(path)}"`,
    GlobalKnownHostsFile: "/dev/null",
  });
  if (host.hostKey !== undefined) {
    const path = join(folder, name);
    await writeFile(path, `${PINNED} ${host.hostKey}\n`, { mode: 0o600 });
    return { ...only(path), HostKeyAlias: PINNED };
  }
  return login.knownHosts === undefined ? {} : only(localPath(login.knownHosts, ctx));
}

/** `ProxyJump` would not hand down how to log in: each jump is an ssh with words of its own. */
async function jumpWords(wording: Wording, jumps: readonly HostSettings[]): Promise<string[]> {
  let command: string | undefined;
  for (const [index, host] of jumps.entries()) {
    const words = await endWords({ ...wording, host }, `jump-${index}`);
    const before = command === undefined ? [] : ["-o", `ProxyCommand=${command}`];
    const program = ["ssh", ...words, "-o", "ProxyJump=none", ...before];
    const [to, through] = [
      [...program, "-W"],
      ["--", host.address],
    ].map((all) => escaped(quoteAll(all)));
    command = `${to} "[%h]:%p" ${through}`;
  }
  return ["-o", "ProxyJump=none", "-o", `ProxyCommand=${command ?? "none"}`];
}

/** A text in which ssh replaces nothing. */
function escaped(text: string): string {
  return text.replaceAll("%", "%%");
}
