import type { Artifact } from "@lockstep/artifact";
import { planned, type PlannedStep } from "@lockstep/plugin";
import type { Source } from "./artifacts.ts";
import { furnishInput } from "./furnishing.ts";
import type { RemoteHost } from "./host.ts";
import type { SshSettings } from "./options.ts";
import { isMeant } from "./rollout.ts";
import { confirm } from "./steps/confirm.ts";
import { furnish } from "./steps/furnish.ts";
import { once } from "./steps/once.ts";
import { prune } from "./steps/prune.ts";
import { pull } from "./steps/pull.ts";
import { upload } from "./steps/upload.ts";

/** What is deployed. */
interface Deployed {
  readonly settings: SshSettings;
  readonly release: string;
}

/** Wave of tasks that run before any link moves; where there are some, links move from the next one on. */
const BEFORE_LINKS = 0;

/** Brings a release to a host and makes it ready. */
export function stageSteps(
  host: RemoteHost,
  what: Deployed & { readonly artifact: Artifact; readonly source: Source["source"] },
): PlannedStep[] {
  return [...pullSteps(host, what), uploadStep(host, what), ...furnishSteps(host, what)];
}

function uploadStep(
  { name }: RemoteHost,
  {
    settings,
    release,
    artifact,
    source,
  }: Deployed & { readonly artifact: Artifact; readonly source: Source["source"] },
): PlannedStep {
  const { path, exclude, allow, base, stepTimeoutMs: timeoutMs } = settings;
  return planned(upload, {
    id: `upload:${name}`,
    phase: "stage",
    unit: name,
    timeoutMs,
    input: {
      release,
      path,
      digest: artifact.digest,
      source,
      ...(exclude.length === 0 ? {} : { exclude }),
      ...(allow.length === 0 ? {} : { allow }),
      ...(base === "copy" ? {} : { base }),
    },
    bytes: artifact.bytes,
  });
}

function pullSteps(
  { name }: RemoteHost,
  {
    settings: { container, stepTimeoutMs: timeoutMs },
    source,
  }: Deployed & { readonly source: Source["source"] },
): PlannedStep[] {
  if (container === undefined || typeof source === "string" || !("image" in source)) return [];
  const { engine, sudo } = container;
  const input = { image: source.image, engine, sudo };
  return [planned(pull, { id: `pull:${name}`, phase: "stage", unit: name, timeoutMs, input })];
}

function furnishSteps({ name }: RemoteHost, { settings, release }: Deployed): PlannedStep[] {
  const input = furnishInput(settings, release);
  if (input === undefined) return [];
  const { stepTimeoutMs: timeoutMs } = settings;
  return [
    planned(furnish, { id: `furnish:${name}`, phase: "stage", unit: name, timeoutMs, input }),
  ];
}

/** Tasks for one host of those that get the release. A host that has its content already had its tasks then. */
export function onceSteps(
  hosts: readonly RemoteHost[],
  { settings, release }: Deployed,
): PlannedStep[] {
  const { path, stepTimeoutMs: timeoutMs } = settings;
  const last = hosts.length + BEFORE_LINKS + 1;
  return settings.once.flatMap(({ name, run, on, undo }) => {
    const host = hosts.find((one) => {
      const written = settings.hosts.find((other) => other.name === one.name);
      return on === undefined || (written !== undefined && isMeant(written, on));
    });
    if (host === undefined) return [];
    const place = { id: `once-${name}:${host.name}`, phase: "activate", unit: host.name } as const;
    const wave = undo === "never" ? last : BEFORE_LINKS;
    return [
      planned(once, { ...place, wave, undo, timeoutMs, input: { release, path, name, run } }),
    ];
  });
}

/** What is done on a host once a release stays. */
export function retireSteps(host: RemoteHost, what: Deployed): PlannedStep[] {
  const { path, keep } = what.settings;
  return [
    ...confirmSteps(host, what),
    planned(prune, {
      id: `prune:${host.name}`,
      phase: "retire",
      unit: host.name,
      input: { path, keep },
    }),
  ];
}

/** Tells a host that waits for it that its release stays. */
export function confirmSteps({ name }: RemoteHost, { settings, release }: Deployed): PlannedStep[] {
  const { path, confirmWithinMs: withinMs } = settings;
  if (withinMs === undefined) return [];
  const input = { release, path, withinMs };
  return [planned(confirm, { id: `confirm:${name}`, phase: "retire", unit: name, input })];
}
