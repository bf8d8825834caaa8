import type { LockstepError, TargetContext } from "@lockstep/plugin";
import { drop } from "./foreseen.ts";
import { forgetForetold, takeForetold } from "./foretold.ts";
import { type Heartbeats, newHeartbeats } from "./heartbeat.ts";
import type { RemoteHost } from "./host.ts";
import type { SshSettings } from "./options.ts";
import { readSecrets } from "./secrets.ts";

/** What the calls of one run share: its hosts, each connected when first used. */
export interface SshConnection extends AsyncDisposable {
  readonly settings: SshSettings;
  /** In the order of the config. */
  readonly hosts: readonly RemoteHost[];
  readonly heartbeats: Heartbeats;
}

/** Gathers the hosts of a target. Opens nothing. */
export function gatherHosts({
  settings,
  hosts,
  gateway,
}: {
  readonly settings: SshSettings;
  readonly hosts: readonly RemoteHost[];
  readonly gateway: AsyncDisposable;
}): SshConnection {
  const heartbeats = newHeartbeats();
  return {
    settings,
    hosts,
    heartbeats,
    async [Symbol.asyncDispose]() {
      drop(this);
      await heartbeats.end();
      await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** The host a step is about. What was found out about any host before no longer counts. */
export function hostOf(connection: SshConnection, unit: string | undefined): RemoteHost {
  drop(connection);
  const host = hostNamed(connection, unit);
  forgetForetold(host);
  return host;
}

/** The same for a step that looks at a thing, with what the request before it found out about that already. */
export function hostAsking(
  connection: SshConnection,
  unit: string | undefined,
  about: string,
): { readonly host: RemoteHost; readonly said: string | undefined } {
  const said = takeForetold(hostNamed(connection, unit), about);
  return { host: hostOf(connection, unit), said };
}

function hostNamed({ hosts }: SshConnection, unit: string | undefined): RemoteHost {
  const host = hosts.find(({ name }) => name === unit);
  if (host === undefined) throw new TypeError(`This target has no unit ${String(unit)}.`);
  return host;
}

/**
 * Asks every host, or the one the call is about.
 *
 * @throws {AggregateError} of the failures, after all were tried
 */
export async function eachHost<T>(
  connection: SshConnection,
  ctx: TargetContext,
  ask: (host: RemoteHost) => Promise<T>,
): Promise<T[]> {
  const hosts = ctx.unit === undefined ? connection.hosts : [hostNamed(connection, ctx.unit)];
  const results = await Promise.allSettled(hosts.map((host) => ask(host)));
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as LockstepError] : [],
  );
  if (failures.length > 0) {
    throw new AggregateError(
      toldOnce(failures),
      `${failures.length} of ${hosts.length} hosts failed.`,
    );
  }
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/** What is wrong on this machine, such as a key that is not there, keeps every host away in the same words. */
function toldOnce(failures: readonly LockstepError[]): LockstepError[] {
  const told = new Set<string>();
  return failures.filter(({ unit, message }) => {
    const isNew = unit !== undefined || !told.has(message);
    told.add(message);
    return isNew;
  });
}

/** The variables for commands of the user, secrets read. */
export async function readEnvironment(
  { settings }: SshConnection,
  ctx: TargetContext,
): Promise<Record<string, string>> {
  return readSecrets(settings.env, ctx);
}
