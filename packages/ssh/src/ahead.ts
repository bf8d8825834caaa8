import type { Artifact } from "@lockstep/artifact";
import type { TargetContext } from "@lockstep/plugin";
import { readArtifact, type Source } from "./artifacts.ts";
import type { SshConnection } from "./connection.ts";
import { type HostFacts, readFacts } from "./facts.ts";
import { drop, foreseenOn, replace } from "./foreseen.ts";
import type { RemoteHost } from "./host.ts";
import { askAhead } from "./manifests.ts";

/**
 * Milliseconds for which what a host said when it was asked what is live counts for the plan as well. Core plans
 * right after it has looked; whoever comes later asks anew.
 */
const FRESH_MS = 1000;

type Context = TargetContext & { readonly connection: SshConnection };

/** Looks at a host, and keeps what it says for the plan that may follow, which may want the manifest of what is live. */
export async function lookAhead(ctx: Context, host: RemoteHost): Promise<HostFacts> {
  const asking = readFacts(ctx, host, ctx.connection.settings.path);
  // most hosts have the same
  if (host === ctx.connection.hosts[0]) askAhead(ctx, host);
  const facts = await asking;
  foreseenOn(ctx.connection).facts.set(host.name, { facts, atMs: performance.now() });
  return facts;
}

/** What a host said a moment ago, or says now. */
export async function takeFacts(ctx: Context, host: RemoteHost): Promise<HostFacts> {
  const { facts } = foreseenOn(ctx.connection);
  const found = facts.get(host.name);
  facts.delete(host.name);
  const isFresh = found !== undefined && performance.now() - found.atMs < FRESH_MS;
  return isFresh ? found.facts : readFacts(ctx, host, ctx.connection.settings.path);
}

/**
 * Reads the source while hosts are waited for, so that a plan has to read only what changed since. Nobody may want
 * a plan: then reading ends with the run, and what is wrong with the source is nobody's business.
 */
export async function whileReading<T>(ctx: Context, looking: () => Promise<T>): Promise<T> {
  const { connection } = ctx;
  const { source = ".", container } = connection.settings;
  const { seen } = foreseenOn(connection);
  // of a commit it cannot be told what was read already
  if (container === undefined && typeof source === "string") {
    const stop = new AbortController();
    const { exclude, allow } = connection.settings;
    const reader = { ...ctx, signal: stop.signal };
    const reading = readArtifact(reader, { source, exclude, allow, seen }).catch(() => undefined);
    replace(connection, { facts: new Map(), seen, reading, stop });
  } else drop(connection);
  return looking();
}

/** Reads what is left to read of the source. */
export async function takeArtifact(ctx: Context, source: Source): Promise<Artifact> {
  const { reading, seen } = foreseenOn(ctx.connection);
  await reading;
  return readArtifact(ctx, { ...source, seen });
}
