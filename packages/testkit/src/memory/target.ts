import {
  API_VERSION,
  type Finding,
  type Live,
  planned,
  type PlannedStep,
  type PlanRequest,
  type Target,
  type TargetPlan,
} from "@lockstep/plugin";
import { activateStep, guardOf, memoryCheck, onceStep, pruneRetire, stageStep } from "./steps.ts";
import type { MemoryRef, MemoryWorld } from "./world.ts";

/** How a memory target is planned. */
export interface MemoryTargetOptions {
  readonly world: MemoryWorld;
  /** What the next release holds; units that hold it already are not changed. */
  readonly content: string;
  /** Waves of activation by unit; default 0. */
  readonly waves?: Readonly<Record<string, number>>;
  /** Whether each unit is asked in verify. Default true. */
  readonly checks?: boolean;
  /** `none` lets any run write. Default `checked`. */
  readonly fencing?: "checked" | "none";
  /** Further steps, planned only when something changes; `memory.once/1` is there for them. */
  readonly extra?: readonly PlannedStep[];
  readonly parallel?: number;
  /** Releases kept beside the live one. Default 5. */
  readonly keep?: number;
  /** Name of the plugin it claims to be. Default `@lockstep/testkit`. */
  readonly plugin?: string;
}

/**
 * A target in memory that keeps every promise of the contract, and nothing else: its executable specification.
 *
 * Its faults are those that the hooks of its world make.
 */
export function memoryTarget(options: MemoryTargetOptions): Target {
  const { world, fencing = "checked", plugin = "@lockstep/testkit" } = options;
  const guard = fencing === "none" ? (): void => {} : guardOf(world);
  const handlers = {
    stage: stageStep(world, guard),
    activate: activateStep(world, guard),
    once: onceStep(world),
    check: memoryCheck(world),
    prune: pruneRetire(world, options.keep ?? 5, guard),
  };
  return {
    "~lockstep": { api: API_VERSION, plugin, version: "1.0.0" },
    places: world.names.map((name) => `memory://${name}`),
    traits: { fencing },
    steps: [handlers.stage, handlers.activate, handlers.once],
    checks: [handlers.check],
    retires: [handlers.prune],
    connect: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    async live({ unit }) {
      const seen: Live[] = [];
      await eachUnit(world, unit, (name) =>
        world.call(`live ${name}`, () => {
          seen.push(structuredClone(world.live(name)));
        }),
      );
      return seen;
    },
    plan: (request) => world.call("plan", () => planOf(request, { options, handlers })),
    async *doctor({ unit }) {
      for (const name of unit === undefined ? world.names : [unit]) {
        const count = await world.call(`doctor ${name}`, () => staged(world, name).length);
        yield { level: "ok", text: `releases: ${count}`, unit: name };
      }
    },
    async *audit({ unit }) {
      for (const name of unit === undefined ? world.names : [unit]) {
        yield await world.call(`audit ${name}`, () => auditOf(world, name));
      }
    },
    async fence(stamp, { unit }) {
      await eachUnit(world, unit, (name) =>
        world.call(`fence ${name}`, () => {
          guard(name, stamp);
          world.unit(name).stamp = stamp;
        }),
      );
    },
  };
}

function staged(world: MemoryWorld, name: string): string[] {
  return Object.keys(world.unit(name).releases);
}

/** What is served is what was staged under that name, or somebody changed it. */
function auditOf(world: MemoryWorld, name: string): Finding {
  const { live, releases } = world.unit(name);
  const wanted = live === null ? undefined : releases[live.release]?.ref.content;
  if (live === null || live.content === wanted) {
    return { level: "ok", text: `serves ${live?.content ?? "nothing"}`, unit: name };
  }
  const text = `serves ${live.content}, and ${live.release} is ${wanted ?? "not there"}`;
  return { level: "fail", text, fix: "Deploy again.", unit: name };
}

interface Handlers {
  readonly stage: ReturnType<typeof stageStep>;
  readonly activate: ReturnType<typeof activateStep>;
  readonly check: ReturnType<typeof memoryCheck>;
  readonly prune: ReturnType<typeof pruneRetire>;
}

interface Parts {
  readonly options: MemoryTargetOptions;
  readonly handlers: Handlers;
}

function planOf(request: PlanRequest, { options, handlers }: Parts): TargetPlan {
  const { world, content, extra = [], parallel = 8 } = options;
  const steps = world.names.flatMap((name) => stepsOf(name, request, { options, handlers }));
  const activated = steps.filter(({ phase }) => phase === "activate");
  return {
    changes: activated.map(({ unit = "" }) => ({
      action: "change",
      what: unit,
      reason: "content",
    })),
    unchanged: world.names.length - activated.length,
    steps: steps.length > 0 ? [...steps, ...extra] : [],
    basedOn: world.names.map((name) => world.unit(name).live),
    outputs: { content, digest: `memory:${content}` },
    parallel,
    undo: "Each unit is pointed back at what it served.",
  };
}

function stepsOf(unit: string, request: PlanRequest, { options, handlers }: Parts): PlannedStep[] {
  const ref = wantedBy(unit, request, options.content);
  const { live } = options.world.unit(unit);
  const same =
    request.kind === "deploy" ? live?.content === ref?.content : live?.release === ref?.release;
  if (ref === undefined || same) return [];
  const input = { unit, ref };
  const wave = options.waves?.[unit] ?? 0;
  const { stage, activate, check, prune } = handlers;
  return [
    ...(request.kind === "deploy"
      ? [planned(stage, { id: `stage:${unit}`, phase: "stage", unit, input })]
      : []),
    planned(activate, { id: `activate:${unit}`, phase: "activate", unit, wave, input }),
    ...(options.checks === false
      ? []
      : [planned(check, { id: `check:${unit}`, phase: "verify", unit, input: { unit } })]),
    planned(prune, { id: `prune:${unit}`, phase: "retire", unit, input: { unit } }),
  ];
}

function wantedBy(unit: string, request: PlanRequest, content: string): MemoryRef | undefined {
  if (request.kind === "deploy") return { release: request.release.id, content };
  return request.refs.find((live) => live.unit === unit)?.ref as MemoryRef | undefined;
}

async function eachUnit(
  world: MemoryWorld,
  only: string | undefined,
  body: (name: string) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  for (const name of only === undefined ? world.names : [only]) {
    await body(name).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, "Some units failed.");
}
