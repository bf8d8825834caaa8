import type { Json, Live, PlannedStep } from "@lockstep/plugin";
import type { MemoryRef, MemoryUnit } from "@lockstep/testkit";
import type { Played } from "./play.ts";
import type { FactOf } from "./story.ts";
import { UNITS } from "./world.ts";

/** A journal record as it lies in the store, with its place in the story. */
export interface Entry {
  readonly at: number;
  readonly by: number;
  readonly epoch: number;
  readonly type: string;
  readonly body: {
    readonly verdict?: "commit" | "abort";
    readonly result?: string;
    readonly entries?: readonly { readonly id: string; readonly before?: Json }[];
    readonly befores?: readonly { readonly id: string; readonly before: MemoryRef | null }[];
    readonly live?: Readonly<Record<string, readonly Live[]>>;
    readonly plan?: string;
    readonly units?: readonly string[];
  };
}

/** A planned step of the memory target. */
export type Planned = PlannedStep & {
  readonly input: { readonly unit: string; readonly ref: MemoryRef };
};

/** Everything the store holds of one run. */
export interface RunEvidence {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly begin: Entry | undefined;
  readonly end: Entry | undefined;
  readonly decisions: readonly Entry[];
  /** Units that somebody said are to be left as they are. */
  readonly left: readonly string[];
  /** Steps of the stored plan by full id: `a/stage:a`. */
  readonly steps: ReadonlyMap<string, Planned>;
}

/** A lease as it was written. */
export interface LeaseWrite {
  readonly at: number;
  readonly by: number;
  readonly epoch: number;
  readonly run: string;
  readonly open: boolean;
}

/** Something a process changed on a target. */
export type Change = FactOf<"changed"> & {
  readonly at: number;
  readonly by: number;
  readonly verb: "apply" | "revert" | "fence" | "retire" | "other";
  /** Full id of the step: `a/activate:a`. */
  readonly id: string;
  /** True when users can see it. */
  readonly moved: boolean;
};

/**
 * What the observer knows of a schedule: bytes of the store, calls that reached targets, and differences
 * between what targets were and are. Nothing here asks the engine.
 */
export interface Evidence {
  readonly played: Played;
  readonly runs: ReadonlyMap<string, RunEvidence>;
  readonly leases: readonly LeaseWrite[];
  readonly changes: readonly Change[];
  readonly edits: readonly (FactOf<"changed"> & { readonly at: number })[];
  readonly calls: readonly (FactOf<"called"> & { readonly at: number })[];
  /** The run a process works for and its epoch, by what it wrote into the lease. */
  readonly heldBy: ReadonlyMap<number, LeaseWrite>;
}

/** Gathers what is known of a schedule. */
export function evidenceOf(played: Played): Evidence {
  const { story } = played;
  const stored = story.all("stored");
  const leases = stored
    .filter(({ key }) => key.startsWith("leases/"))
    .map(({ at, by, text }): LeaseWrite => {
      const body = JSON.parse(text) as {
        readonly epoch: number;
        readonly open: boolean;
        readonly holder: { readonly run: string };
      };
      return { at, by, epoch: body.epoch, open: body.open, run: body.holder.run };
    });
  const changed = story.all("changed");
  return {
    played,
    runs: runsIn(played),
    leases,
    changes: changed.flatMap((change) => (change.by === undefined ? [] : [changeOf(change)])),
    edits: changed.filter(({ by }) => by === undefined),
    calls: story.all("called"),
    heldBy: new Map(leases.map((lease) => [lease.by, lease])),
  };
}

/** What a unit was just before a place in the story. */
export function stateAt({ played: { story } }: Evidence, unit: string, at: number): MemoryUnit {
  for (let place = at - 1; place >= 0; place -= 1) {
    const fact = story.facts[place];
    if (fact?.type === "changed" && fact.unit === unit) return fact.to;
  }
  const state = story.start[unit];
  if (state === undefined) throw new Error(`There is no unit ${unit}.`);
  return state;
}

/** True when two references are the same release with the same content. */
export function isSame(left: MemoryRef | null, right: MemoryRef | null): boolean {
  return left?.release === right?.release && left?.content === right?.content;
}

function changeOf(change: FactOf<"changed"> & { readonly at: number }): Change {
  const [verb = "", kind = ""] = change.call.split(" ");
  const known = ["apply", "revert", "fence", "retire"] as const;
  const step = /^memory\.(\w+)\//.exec(kind)?.[1] ?? "";
  return {
    ...change,
    by: change.by ?? 0,
    verb: known.find((name) => name === verb) ?? "other",
    id: `${change.unit}/${step}:${change.unit}`,
    moved: !isSame(change.from.live, change.to.live),
  };
}

function runsIn({ story, world }: Played): Map<string, RunEvidence> {
  const entries = new Map<string, Entry[]>();
  for (const { at, by, key, text } of story.all("stored")) {
    const [folder, run = ""] = key.split("/");
    if (folder !== "runs") continue;
    const record = JSON.parse(text) as Pick<Entry, "epoch" | "type" | "body">;
    const list = entries.get(run) ?? [];
    entries.set(run, [...list, { ...record, at, by }]);
  }
  return new Map(
    [...entries].map(([name, list]) => {
      const begin = list.find(({ type }) => type === "run.begin");
      const evidence: RunEvidence = {
        name,
        entries: list,
        begin,
        end: list.find(({ type }) => type === "run.end"),
        decisions: list.filter(({ type }) => type === "decision"),
        left: list.flatMap(({ type, body }) => {
          if (type === "accepted") return UNITS;
          return type === "skipped" ? (body.units ?? []) : [];
        }),
        steps: stepsIn(world.values, begin),
      };
      return [name, evidence];
    }),
  );
}

function stepsIn(
  values: Played["world"]["values"],
  begin: Entry | undefined,
): ReadonlyMap<string, Planned> {
  const stored = values.get(`blobs/${(begin?.body.plan ?? "").replace(":", "-")}`);
  if (stored === undefined) return new Map();
  const plan = JSON.parse(Buffer.from(stored.body).toString("utf8")) as {
    readonly targets: Readonly<Record<string, { readonly steps: readonly Planned[] }>>;
  };
  return new Map(
    UNITS.flatMap((unit) =>
      (plan.targets[unit]?.steps ?? []).map((step) => [`${unit}/${step.id}`, step] as const),
    ),
  );
}
