import type { Artifact, Manifest } from "@lockstep/artifact";
import type { Json, PlanContext, PlanRequest, TargetPlan } from "@lockstep/plugin";
import { takeArtifact, takeFacts } from "./ahead.ts";
import type { Source } from "./artifacts.ts";
import {
  changesOf,
  furnishingChanges,
  furnishingsOf,
  type HostPlan,
  readBefore,
} from "./changes.ts";
import { eachHost, type SshConnection } from "./connection.ts";
import { releaseGone } from "./errors.ts";
import { keptOf, liveOf, type Ref } from "./facts.ts";
import { drop } from "./foreseen.ts";
import type { RemoteHost } from "./host.ts";
import { imageOf } from "./image.ts";
import type { SshSettings } from "./options.ts";
import { liveSteps } from "./plan-live.ts";
import { confirmSteps, onceSteps, retireSteps, stageSteps } from "./plan-steps.ts";
import { refuseShared, refuseTaken, refuseTooSmall, refuseUnfit, takingRoom } from "./preflight.ts";
import { rememberStart } from "./start.ts";
import { changedSince, channelsFor } from "./steps/parts.ts";

const UNDO =
  "Each host's link goes back to the release it had, and what follows it is run again; a host that had none has none again.";

/** Plans a deploy or a way back. Reads the hosts and the source; changes nothing. */
export async function plan(
  request: PlanRequest,
  ctx: PlanContext<SshConnection>,
): Promise<TargetPlan> {
  return request.kind === "deploy"
    ? planDeploy(ctx, request.release.id)
    : planReturn(ctx, request.refs);
}

async function planDeploy(ctx: PlanContext<SshConnection>, release: string): Promise<TargetPlan> {
  const { connection } = ctx;
  const { settings } = connection;
  const source = sourceOf(ctx, settings);
  const looking = look(ctx);
  const reading = takeArtifact(ctx, { ...settings, source });
  void looking.then((hosts) => readBefore(ctx, hosts)).catch(() => undefined);
  const [hosts, artifact] = await Promise.all([looking, reading]);
  const { digest } = artifact;
  const furnishings = await furnishingsOf(ctx, hosts);
  const changing = hosts.filter(
    ({ host, live }) => live?.digest !== digest || furnishings.has(host),
  );
  const befores = new Map<RemoteHost, Manifest>();
  if (settings.base === "link") {
    for (const one of changing) befores.set(one.host, await readBefore(ctx, [one]));
  }
  refuseAll(changing, ({ host, facts }) => {
    refuseUnfit(host, facts, settings.path);
    refuseTaken(host, facts, { id: release, digest });
    refuseTooSmall(host, facts, takingRoom(artifact, settings, befores.get(host) ?? []));
  });
  refuseShared(settings, artifact);
  // it takes two round trips: begun now, it is ready when something is to be sent
  for (const { host } of changing) host.prepare(ctx, 1);
  const { changes, unchanged } = await changesOf(ctx, hosts, artifact);
  const furnished = furnishingChanges(hosts, furnishings);
  for (const { host, facts, live } of changing) {
    rememberStart(host, facts, { release, digest, live });
    host.prepare(ctx, await shellsFor(ctx, { host, facts, live }, artifact));
  }
  const tasks = onceSteps(hostsOf(changing), { settings, release });
  const only = hosts[0]?.live?.release ?? release;
  return {
    changes: [...changes, ...furnished],
    unchanged,
    steps: [
      ...changing.flatMap(({ host }) => stageSteps(host, { settings, release, artifact, source })),
      ...tasks,
      ...liveSteps(hostsOf(changing), { settings, releaseOf: () => release, tasks }),
      ...changing.flatMap(({ host }) => retireSteps(host, { settings, release })),
    ],
    basedOn: basedOn(hosts),
    outputs: { release: changing.length === 0 ? only : release, digest },
    ...(settings.parallel === undefined ? {} : { parallel: settings.parallel }),
    undo: UNDO,
  };
}

async function planReturn(
  ctx: PlanContext<SshConnection>,
  refs: Extract<PlanRequest, { kind: "return" }>["refs"],
): Promise<TargetPlan> {
  const { settings } = ctx.connection;
  const hosts = await look(ctx);
  drop(ctx.connection);
  const wanted = hosts.flatMap(({ host, facts, live }) => {
    const ref = refs.find(({ unit }) => unit === host.name)?.ref as Ref | null | undefined;
    return ref === null || ref === undefined ? [] : [{ host, facts, live, ref }];
  });
  const changing = wanted.filter(({ live, ref }) => live?.release !== ref.release);
  refuseAll(changing, ({ host, facts, ref }) => {
    refuseUnfit(host, facts, settings.path);
    const kept = keptOf(facts).find(({ release }) => release === ref.release);
    if (kept?.digest !== ref.digest) throw releaseGone(host, ref.release);
  });
  const releases = new Map(changing.map(({ host, ref }) => [host.name, ref.release]));
  return {
    changes: changing.map(({ host, live, ref }) => ({
      action: live === null ? "add" : "change",
      what: `${settings.path}/current`,
      reason: live === null ? "absent" : "content",
      before: live?.release ?? null,
      after: ref.release,
      unit: host.name,
    })),
    unchanged: 0,
    steps: [
      ...liveSteps(hostsOf(changing), { settings, releaseOf: (unit) => releases.get(unit) ?? "" }),
      ...changing.flatMap(({ host, ref: { release } }) =>
        confirmSteps(host, { settings, release }),
      ),
    ],
    basedOn: basedOn(hosts),
    ...(wanted[0] === undefined ? {} : { outputs: wanted[0].ref }),
    ...(settings.parallel === undefined ? {} : { parallel: settings.parallel }),
    undo: UNDO,
  };
}

async function look(ctx: PlanContext<SshConnection>): Promise<HostPlan[]> {
  const { connection } = ctx;
  return eachHost(connection, ctx, async (host) => {
    const facts = await takeFacts(ctx, host);
    return { host, facts, live: liveOf(host, facts, connection.settings).ref };
  });
}

function sourceOf(
  ctx: PlanContext<SshConnection>,
  { source = ".", container }: SshSettings,
): Source["source"] {
  return container === undefined ? source : { image: imageOf(ctx, container.image) };
}

function hostsOf(all: readonly { readonly host: RemoteHost }[]): RemoteHost[] {
  return all.map(({ host }) => host);
}

/** How many shells the upload to a host is worth. */
async function shellsFor(
  ctx: PlanContext<SshConnection>,
  one: HostPlan,
  artifact: Artifact,
): Promise<number> {
  const { connection } = ctx;
  const most = channelsFor(connection, { artifact });
  if (most === 1 || connection.settings.base === "none") return most;
  const before = await readBefore(ctx, [one]);
  const only = before.length === 0 ? undefined : changedSince(before, artifact);
  return channelsFor(connection, { artifact, only });
}

/** Tells everything that is wrong with any host, not only with the first. */
function refuseAll<T>(all: readonly T[], refuse: (one: T) => void): void {
  const failures = all.flatMap((one) => {
    try {
      refuse(one);
      return [];
    } catch (error) {
      return [error];
    }
  });
  if (failures.length > 1)
    throw new AggregateError(failures, "Several hosts cannot be deployed to.");
  for (const failure of failures) throw failure;
}

/** Content only: a run that stamps the hosts in between does not make a plan stale. */
function basedOn(hosts: readonly HostPlan[]): Json {
  return hosts.map(({ host, facts, live }) => ({
    unit: host.name,
    live,
    kept: keptOf(facts).filter(({ release }) => release !== live?.release),
  }));
}
