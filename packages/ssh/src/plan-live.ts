import { type Json, planned, type PlannedStep, type Until } from "@lockstep/plugin";
import type { CheckSettings } from "./check-options.ts";
import type { ContainerSettings } from "./container-options.ts";
import type { RemoteHost } from "./host.ts";
import type { SshSettings } from "./options.ts";
import { mayFail, wavesOf } from "./rollout.ts";
import { activate } from "./steps/activate.ts";
import { checkHttp } from "./steps/check-http.ts";
import { checkProcess } from "./steps/check-process.ts";
import { held } from "./steps/confirm.ts";
import { undrain } from "./steps/drain.ts";
import { gate } from "./steps/gate.ts";
import { pause } from "./steps/pause.ts";
import { checkCommand } from "./steps/run-command.ts";

/** Added to the time that a check needs at most, for the asking. */
const SLACK_MS = 60_000;

/** Which release each host gets. */
interface Moved {
  readonly settings: SshSettings;
  readonly releaseOf: (unit: string) => string;
  /** Tasks that run before and after the links move. */
  readonly tasks?: readonly PlannedStep[];
}

/** Where a check stands. */
interface Place {
  readonly phase: "activate" | "verify";
  readonly wave?: number;
  /** First word of the ids of its steps. */
  readonly word: string;
  /** Hosts that may fail. */
  readonly budget: number;
}

/**
 * Moves the links in waves; the checks stand between a wave and the next, and after the last. The hosts of a first
 * wave are canaries: none of them may fail. The last wave has checks of its own, too, where something waits for them:
 * a host to be taken into use again, or a task that nothing can undo.
 */
export function liveSteps(hosts: readonly RemoteHost[], moved: Moved): PlannedStep[] {
  const { settings } = moved;
  const labelled = hosts.map((host) => ({
    host,
    name: host.name,
    labels: settings.hosts.find(({ name }) => name === host.name)?.labels,
  }));
  const waves = wavesOf(labelled, settings.rollout).map((all) => all.map(({ host }) => host));
  const budget = mayFail(settings.rollout.maxFailures, hosts.length);
  return [
    ...waves.flatMap((wave, index) =>
      waveSteps(wave, {
        index,
        waves,
        moved,
        budget: index === 0 && waves.length > 1 ? 0 : budget,
      }),
    ),
    ...checkSteps(hosts, settings, { phase: "verify", word: "check", budget }),
    ...hosts.flatMap((host) => heldSteps(host, moved)),
  ];
}

function waveSteps(
  hosts: readonly RemoteHost[],
  {
    index,
    waves,
    moved,
    budget,
  }: {
    readonly index: number;
    readonly waves: readonly (readonly RemoteHost[])[];
    readonly moved: Moved;
    readonly budget: number;
  },
): PlannedStep[] {
  const { settings, releaseOf, tasks = [] } = moved;
  const { pauseMs } = settings.rollout;
  // tasks that come before all links have wave 0
  const wave = index + (tasks.some(({ undo }) => undo === "leave") ? 1 : 0);
  // hosts that are asked together would all be out of use until the last one answered
  const undrainLater = budget === 0 && settings.checks.length > 0 && settings.undrain !== undefined;
  const moves = hosts.map(({ name }) =>
    planned(activate, {
      id: `activate:${name}`,
      phase: "activate",
      wave,
      unit: name,
      timeoutMs: activateMs(settings),
      input: {
        ...activateInput(settings, releaseOf(name)),
        ...(undrainLater ? { undrainLater } : {}),
      },
    }),
  );
  const isLast = index === waves.length - 1;
  const isAwaited = undrainLater || tasks.some(({ undo }) => undo === "never");
  if (isLast && !isAwaited) return moves;
  const number = index + 1;
  const wait = planned(pause, {
    id: `pause-${number}`,
    phase: "activate",
    wave,
    timeoutMs: pauseMs + SLACK_MS,
    input: { ms: pauseMs },
  });
  // hosts that failed in an earlier wave count in this one
  const asked = budget === 0 ? hosts : waves.slice(0, index + 1).flat();
  const place = { phase: "activate", wave, word: `wave-${number}`, budget } as const;
  const checks = checkSteps(asked, settings, place);
  const undrains = undrainLater ? hosts.map((host) => undrainStep(host, { moved, wave })) : [];
  return [...moves, ...checks, ...undrains, ...(isLast || pauseMs === 0 ? [] : [wait])];
}

function undrainStep(
  { name }: RemoteHost,
  { moved, wave }: { readonly moved: Moved; readonly wave: number },
): PlannedStep {
  const { settings, releaseOf } = moved;
  const { path, stepTimeoutMs: timeoutMs, undrain: words } = settings;
  const input = {
    release: releaseOf(name),
    path,
    ...(words === undefined ? {} : { undrain: words }),
  };
  const place = { id: `undrain:${name}`, phase: "activate", wave, unit: name } as const;
  return planned(undrain, { ...place, timeoutMs, input });
}

/** Commands have the time of a step; the waiting for what follows the link comes on top. */
function activateMs({ stepTimeoutMs, service, container }: SshSettings): number {
  return stepTimeoutMs + (service?.readyMs ?? 0) + (container?.readyMs ?? 0);
}

function activateInput(
  settings: SshSettings,
  release: string,
): Parameters<typeof activate.describe>[0] {
  const { path, env, restart, service, container, drain, confirmWithinMs, adopt } = settings;
  const names = Object.keys(env).toSorted();
  const runs = [restart, drain, settings.undrain].some((words) => words !== undefined);
  return {
    release,
    path,
    ...(restart === undefined ? {} : { restart }),
    ...(runs && names.length > 0 ? { env: names } : {}),
    ...(service === undefined ? {} : { service }),
    ...(container === undefined ? {} : { container: containerInput(container) }),
    ...(drain === undefined ? {} : { drain }),
    ...(settings.undrain === undefined ? {} : { undrain: settings.undrain }),
    ...(confirmWithinMs === undefined ? {} : { confirmWithinMs }),
    ...(adopt ? { adopt } : {}),
  };
}

/** Without the image: that is in the release, so that going back finds its own. */
function containerInput(container: ContainerSettings): Omit<ContainerSettings, "image"> {
  const { name, engine, options, command, ready, readyMs, stopFirst, sudo } = container;
  return { name, engine, options, command, ready, readyMs, stopFirst, sudo };
}

function heldSteps({ name }: RemoteHost, { settings, releaseOf }: Moved): PlannedStep[] {
  const { path, confirmWithinMs: withinMs } = settings;
  if (withinMs === undefined) return [];
  const input = { release: releaseOf(name), path, withinMs };
  return [planned(held, { id: `held:${name}`, phase: "verify", unit: name, input })];
}

/** Each check of each host by itself, or all in one where some hosts may fail. */
function checkSteps(
  hosts: readonly RemoteHost[],
  settings: SshSettings,
  { word, budget: maxFailures, ...place }: Place,
): PlannedStep[] {
  const { checks, path } = settings;
  if (maxFailures === 0 || checks.length === 0) {
    return hosts.flatMap(({ name: unit }) =>
      checks.map((check, index) => ({
        ...place,
        ...checkOf(check, path),
        timeoutMs: askMs(check, settings),
        id: `${word}-${index + 1}:${unit}`,
        unit,
      })),
    );
  }
  const all = checks.map((check) => checkOf(check, path));
  // what is asked in time may take its own time to answer
  const timeoutMs = checks.reduce(
    (sum, check) => sum + check.until.deadlineMs + askMs(check, settings),
    0,
  );
  const names = hosts.map(({ name }) => name);
  const input = { hosts: names, checks: all, maxFailures };
  return [planned(gate, { ...place, id: `${word}-gate`, timeoutMs, input })];
}

/** Milliseconds that one answer may take. */
function askMs(check: CheckSettings, { stepTimeoutMs }: SshSettings): number {
  return stepTimeoutMs + ("process" in check ? check.soakMs : 0);
}

function checkOf(
  check: CheckSettings,
  path: string,
): {
  readonly kind: string;
  readonly input: Json;
  readonly until: Readonly<Record<keyof Until, number>>;
} {
  const until = { ...check.until };
  if ("command" in check) {
    return { kind: checkCommand.kind, until, input: { path, command: check.command } };
  }
  if ("process" in check) {
    const { process, sudo, soakMs } = check;
    return { kind: checkProcess.kind, until, input: { path, process, sudo, soakMs } };
  }
  const { http, status, body, json } = check;
  const input = {
    path,
    http,
    status,
    ...(body === undefined ? {} : { body }),
    ...(json === undefined ? {} : { json }),
  };
  return { kind: checkHttp.kind, until, input };
}
