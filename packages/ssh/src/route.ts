import type { TargetContext } from "@lockstep/plugin";
import type { Where } from "./errors.ts";
import { localPath } from "./local-path.ts";
import { jumpsEndless, proxyCommandUnsupported, userMissing } from "./login-errors.ts";
import type { Endpoint, HostSettings, LoginSettings, Route } from "./reach.ts";
import { parseShortHost } from "./short-host.ts";
import { type ConfiguredHost, readSshConfig } from "./ssh-config.ts";

/** Jump hosts of jump hosts that are followed. */
const MOST_JUMPS = 8;

/** Who asks, for errors, and with which settings. */
interface Question {
  readonly where: Where;
  readonly login: LoginSettings;
  /** True when a ProxyCommand is no hindrance, because another makes the connection. */
  readonly mayProxy?: boolean;
}

/**
 * The way to a host: what the config says, then what ssh_config says, then defaults.
 *
 * @throws {LockstepError} `SSH_CONFIG_UNREADABLE`, `SSH_PROXY_COMMAND`, `SSH_JUMPS_ENDLESS`, `SSH_USER_MISSING`
 */
export async function routeTo(
  host: HostSettings,
  question: Question,
  ctx: TargetContext,
): Promise<Route> {
  const { where, login, mayProxy = false } = question;
  const found = await configOf(host, login, ctx);
  const hops = login.jump ?? hopsOf(found.proxyJump);
  if (found.proxyCommand !== undefined && hops.length === 0 && !mayProxy) {
    throw proxyCommandUnsupported(where, host.address);
  }
  const end = endpointOf(host, found, { question, ctx });
  return { jumps: await chain(hops, question, ctx), end };
}

/** The way through all jump hosts; the first of them may be behind others of its own. */
async function chain(
  hops: readonly HostSettings[],
  { where, login, mayProxy = false }: Question,
  ctx: TargetContext,
): Promise<Endpoint[]> {
  const all: Endpoint[] = [];
  let left = hops;
  while (left.length > 0) {
    const behind: Endpoint[] = [];
    let before: readonly HostSettings[] = [];
    for (const [index, hop] of left.entries()) {
      const found = await configOf(hop, login, ctx);
      if (found.proxyCommand !== undefined && index === 0 && !mayProxy) {
        throw proxyCommandUnsupported(where, hop.address);
      }
      behind.push(endpointOf(hop, found, { question: { where, login }, ctx }));
      if (index === 0 && login.jump === undefined) before = hopsOf(found.proxyJump);
    }
    all.unshift(...behind);
    if (all.length > MOST_JUMPS) throw jumpsEndless(where, MOST_JUMPS);
    left = before;
  }
  return all;
}

const NOTHING: ConfiguredHost = {
  identityFiles: [],
  identitiesOnly: false,
  knownHosts: ["~/.ssh/known_hosts"],
};

async function configOf(
  { address, user, port }: HostSettings,
  { sshConfig }: LoginSettings,
  ctx: TargetContext,
): Promise<ConfiguredHost> {
  if (sshConfig === false) return NOTHING;
  const file = typeof sshConfig === "string" ? sshConfig : undefined;
  return readSshConfig({ address, user, port }, file, ctx);
}

function hopsOf(proxyJump: string | undefined): HostSettings[] {
  const written = proxyJump === undefined ? [] : proxyJump.split(",");
  return written.map((one) => {
    const { address, user, port } = parseShortHost(one.trim().replace(/^ssh:\/\//, ""));
    return { name: address, address, user, port };
  });
}

function endpointOf(
  host: HostSettings,
  found: ConfiguredHost,
  { question: { where, login }, ctx }: { readonly question: Question; readonly ctx: TargetContext },
): Endpoint {
  const user = host.user ?? found.user ?? ctx.env["USER"] ?? ctx.env["LOGNAME"];
  if (user === undefined || user === "") throw userMissing(where);
  const { identity, knownHosts, agent } = login;
  const isNamed = identity !== undefined;
  const files = isNamed ? [identity] : found.identityFiles;
  return {
    address: found.hostName ?? host.address,
    port: host.port ?? found.port ?? 22,
    user,
    hostKey: host.hostKey,
    alias: found.hostKeyAlias,
    knownHosts: (knownHosts === undefined ? found.knownHosts : [knownHosts]).map((path) =>
      localPath(path, ctx),
    ),
    revokedHostKeys:
      found.revokedHostKeys === undefined ? undefined : localPath(found.revokedHostKeys, ctx),
    identities: files.map((path) => localPath(tokens(path, user, ctx), ctx)),
    isIdentityNamed: isNamed,
    agent: (agent ?? !isNamed) ? agentOf(found, ctx) : undefined,
    isAgentBound: agent === undefined && found.identitiesOnly,
  };
}

function agentOf({ identityAgent }: ConfiguredHost, ctx: TargetContext): string | undefined {
  if (identityAgent === "none") return undefined;
  if (identityAgent === undefined || identityAgent === "SSH_AUTH_SOCK") {
    return ctx.env["SSH_AUTH_SOCK"];
  }
  if (identityAgent.startsWith("$")) return ctx.env[identityAgent.slice(1)];
  return localPath(identityAgent, ctx);
}

/** @see ssh_config(5), "TOKENS": those that make sense in the path of a key */
function tokens(path: string, user: string, { env }: TargetContext): string {
  const values: Readonly<Record<string, string>> = {
    "%%": "%",
    "%d": env["HOME"] ?? "/",
    "%r": user,
    "%u": env["USER"] ?? "",
  };
  return path.replaceAll(/%./g, (token) => values[token] ?? token);
}
