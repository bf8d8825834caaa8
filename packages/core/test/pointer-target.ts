import {
  API_VERSION,
  type Check,
  type CheckResult,
  fenced,
  type Json,
  type Live,
  planned,
  type PlannedStep,
  type Retire,
  type Stamp,
  type Step,
  stepConflict,
  type Target,
} from "@lockstep/plugin";

type Ref = { readonly release: string; readonly content: string };
type Input = { readonly unit: string; readonly ref: Ref };

/** One unit: a pointer, what could be pointed at, and the stamp that guards it. */
export interface Unit {
  live: Ref | null;
  readonly releases: Map<string, { readonly ref: Ref; readonly run: string }>;
  readonly past: Ref[];
  stamp: Stamp | undefined;
}

/** When a hook is called: before the effect (throwing means not applied) or after it (a lost reply). */
export type When = "before" | "after";

/** Everything a target is about, with a log of its writes and hooks for faults. */
export class PointerWorld {
  readonly units: Map<string, Unit> = new Map();
  readonly writes: string[] = [];
  /** Called around every call: `apply pointer.activate/1 web-1`. */
  on: (call: string, when: When) => void | Promise<void> = () => {};
  /** What checks answer, by unit. */
  answer: (unit: string, live: Ref | null) => CheckResult = () => ({ status: "pass" });

  constructor(...names: readonly string[]) {
    for (const name of names) {
      this.units.set(name, { live: null, releases: new Map(), past: [], stamp: undefined });
    }
  }

  unit(name: string): Unit {
    const unit = this.units.get(name);
    if (unit === undefined) throw new Error(`no unit ${name}`);
    return unit;
  }

  /** What users get, by unit. */
  live(): Record<string, string | null> {
    return Object.fromEntries(
      [...this.units].map(([name, unit]) => [name, unit.live?.content ?? null]),
    );
  }

  /** Somebody else changes what is live. */
  edit(name: string, content: string): void {
    this.unit(name).live = { release: "foreign", content };
  }

  async around<T>(call: string, body: () => T): Promise<T> {
    await this.on(call, "before");
    const result = body();
    await this.on(call, "after");
    return result;
  }
}

/** How a target of tests is planned. */
export interface PointerOptions {
  readonly world: PointerWorld;
  readonly content: string;
  readonly waves?: Readonly<Record<string, number>>;
  readonly checks?: boolean;
  readonly fencing?: "checked" | "none";
  readonly extra?: readonly PlannedStep[];
  readonly parallel?: number;
  readonly name?: string;
}

const same = (left: Ref | null, right: Ref | null): boolean =>
  left?.release === right?.release && left?.content === right?.content;

/** A target whose units are records in memory; keeps the contract and can be made to fail. */
export function pointerTarget(options: PointerOptions): Target {
  const { world } = options;
  const guard = (name: string, stamp: Stamp): void => {
    const found = world.unit(name).stamp;
    if (options.fencing === "none" || found === undefined) return;
    if (found.lineage === stamp.lineage && found.epoch > stamp.epoch) {
      throw fenced(name, { ours: stamp.epoch, found: found.epoch });
    }
  };
  const point = (name: string, ref: Ref | null): void => {
    const unit = world.unit(name);
    if (unit.live !== null) unit.past.unshift(unit.live);
    unit.live = ref;
    world.writes.push(`point ${name} ${ref?.content ?? "nothing"}`);
  };
  const stage: Step<Input, Json, Json, AsyncDisposable> = {
    kind: "pointer.stage/1",
    describe: ({ unit, ref }) => `stage ${ref.content} on ${unit}`,
    inspect: async ({ unit }) => world.around(`inspect ${stage.kind} ${unit}`, () => null),
    apply: async ({ unit, ref }, _, { run }) =>
      world.around(`apply ${stage.kind} ${unit}`, () => {
        const { releases } = world.unit(unit);
        if (!releases.has(ref.release)) world.writes.push(`stage ${unit} ${ref.content}`);
        releases.set(ref.release, { ref, run });
        return null;
      }),
    revert: async ({ unit, ref }, _, { run }) =>
      world.around(`revert ${stage.kind} ${unit}`, () => {
        const { releases, live } = world.unit(unit);
        if (releases.get(ref.release)?.run !== run || same(live, ref)) return "untouched";
        releases.delete(ref.release);
        world.writes.push(`unstage ${unit} ${ref.content}`);
        return "restored";
      }),
  };
  const activate: Step<Input, Ref | null, Json, AsyncDisposable> = {
    kind: "pointer.activate/1",
    describe: ({ unit, ref }) => `point ${unit} at ${ref.content}`,
    inspect: async ({ unit }) =>
      world.around(`inspect ${activate.kind} ${unit}`, () => world.unit(unit).live),
    apply: async ({ unit, ref }, before, { stamp }) =>
      world.around(`apply ${activate.kind} ${unit}`, () => {
        const { live } = world.unit(unit);
        guard(unit, stamp);
        if (same(live, ref)) return null;
        if (!same(live, before)) {
          throw stepConflict(unit, {
            wanted: before?.content ?? null,
            found: live?.content ?? null,
          });
        }
        point(unit, ref);
        return null;
      }),
    revert: async ({ unit, ref }, before, { stamp }) =>
      world.around(`revert ${activate.kind} ${unit}`, () => {
        const { live } = world.unit(unit);
        guard(unit, stamp);
        if (same(live, before)) return "untouched";
        if (!same(live, ref)) return "conflict";
        point(unit, before);
        return "restored";
      }),
  };
  const once: Step<{ readonly unit: string }, Json, Json, AsyncDisposable> = {
    kind: "pointer.once/1",
    describe: ({ unit }) => `migrate ${unit}`,
    inspect: async () => null,
    apply: async ({ unit }) =>
      world.around(`apply ${once.kind} ${unit}`, () => {
        world.writes.push(`migrate ${unit}`);
        return null;
      }),
  };
  const check: Check<{ readonly unit: string }, AsyncDisposable> = {
    kind: "pointer.check/1",
    describe: ({ unit }) => `ask ${unit}`,
    check: async ({ unit }) =>
      world.around(`check ${check.kind} ${unit}`, () => world.answer(unit, world.unit(unit).live)),
  };
  const prune: Retire<{ readonly unit: string }, AsyncDisposable> = {
    kind: "pointer.prune/1",
    describe: ({ unit }) => `prune ${unit}`,
    retire: async ({ unit }) =>
      world.around(`retire ${prune.kind} ${unit}`, () => {
        world.writes.push(`prune ${unit}`);
      }),
  };
  const liveOf = (name: string): Live => {
    const { live, past, stamp } = world.unit(name);
    return { unit: name, ref: live, kept: past, ...(stamp === undefined ? {} : { stamp }) };
  };
  const eachUnit = async (
    verb: string,
    only: string | undefined,
    body: (name: string) => void,
  ): Promise<void> => {
    const failures: unknown[] = [];
    for (const name of only === undefined ? world.units.keys() : [only]) {
      try {
        await world.around(`${verb} ${name}`, () => body(name));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures);
  };
  return {
    "~lockstep": { api: API_VERSION, plugin: options.name ?? "pointer", version: "1.0.0" },
    places: [...world.units.keys()].map((name) => `pointer://${name}`),
    traits: { fencing: options.fencing ?? "checked" },
    steps: [stage, activate, once],
    checks: [check],
    retires: [prune],
    connect: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    async live({ unit }) {
      const seen: Live[] = [];
      await eachUnit("live", unit, (name) => seen.push(liveOf(name)));
      return seen;
    },
    async plan(request) {
      const steps = [...world.units.keys()].flatMap((name): PlannedStep[] => {
        const { live } = world.unit(name);
        const wanted =
          request.kind === "return"
            ? request.refs.find(({ unit }) => unit === name)?.ref
            : undefined;
        const ref =
          request.kind === "deploy"
            ? { release: request.release.id, content: options.content }
            : (wanted as Ref | undefined);
        if (ref === undefined || live?.content === ref.content) return [];
        const wave = options.waves?.[name] ?? 0;
        const input = { unit: name, ref };
        return [
          ...(request.kind === "deploy"
            ? [planned(stage, { id: `stage:${name}`, phase: "stage", unit: name, input })]
            : []),
          planned(activate, { id: `activate:${name}`, phase: "activate", unit: name, wave, input }),
          ...(options.checks === false
            ? []
            : [
                planned(check, {
                  id: `check:${name}`,
                  phase: "verify",
                  unit: name,
                  input: { unit: name },
                }),
              ]),
          planned(prune, {
            id: `prune:${name}`,
            phase: "retire",
            unit: name,
            input: { unit: name },
          }),
        ];
      });
      return {
        changes: [],
        unchanged: 0,
        steps: steps.length > 0 ? [...steps, ...(options.extra ?? [])] : [],
        basedOn: [...world.units.keys()].map((name) => world.unit(name).live),
        outputs: { content: options.content },
        parallel: options.parallel ?? 8,
        undo: "Each unit is pointed back.",
      };
    },
    async fence(stamp, { unit }) {
      await eachUnit("fence", unit, (name) => {
        guard(name, stamp);
        world.unit(name).stamp = stamp;
      });
    },
  };
}
