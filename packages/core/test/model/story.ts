import type { MemoryUnit } from "@lockstep/testkit";

/** One thing that happened in the world, as an observer outside the engine saw it. */
export type Fact =
  | { readonly type: "began"; readonly by: number; readonly verb: string }
  | {
      readonly type: "ended";
      readonly by: number;
      readonly result: string;
      readonly said: string;
    }
  | { readonly type: "crashed" | "paused" | "woken" | "told to stop"; readonly by: number }
  /** A call that reached a target, and whether it came through. */
  | {
      readonly type: "called";
      readonly by: number;
      readonly call: string;
      readonly unit: string;
      readonly live: MemoryUnit["live"];
      refused: boolean;
    }
  /** A unit is not what it was: found by comparing, not by asking the target. */
  | {
      readonly type: "changed";
      /** The process whose call did it; absent when somebody else changed it. */
      readonly by: number | undefined;
      readonly call: string;
      readonly unit: string;
      readonly from: MemoryUnit;
      readonly to: MemoryUnit;
    }
  | { readonly type: "stored"; readonly by: number; readonly key: string; readonly text: string }
  /** The store failed, before or after it wrote. */
  | { readonly type: "store failed"; readonly by: number };

/** A fact of one type. */
export type FactOf<Type extends Fact["type"]> = Extract<Fact, { readonly type: Type }>;

/** Everything that happened in one schedule, in order. */
export class Story {
  readonly facts: Fact[] = [];
  /** Every event any process told, as text. */
  readonly told: string[] = [];
  /** What the units were when the story began. */
  readonly start: Readonly<Record<string, MemoryUnit>>;

  constructor(start: Readonly<Record<string, MemoryUnit>>) {
    this.start = copiesOf(start);
  }

  note(fact: Fact): void {
    this.facts.push(fact);
  }

  /** Facts of one type with their places in the story. */
  all<Type extends Fact["type"]>(type: Type): (FactOf<Type> & { readonly at: number })[] {
    return this.facts.flatMap((fact, at) =>
      fact.type === type ? [{ ...(fact as FactOf<Type>), at }] : [],
    );
  }
}

/** A unit as it is now; references and stamps are never changed in place. */
export function copyOf({ live, releases, past, stamp }: MemoryUnit): MemoryUnit {
  const copy = { live, releases: { ...releases }, past: [...past] };
  return stamp === undefined ? copy : { ...copy, stamp };
}

/** Copies of units by name. */
export function copiesOf(units: Readonly<Record<string, MemoryUnit>>): Record<string, MemoryUnit> {
  return Object.fromEntries(Object.entries(units).map(([name, unit]) => [name, copyOf(unit)]));
}

/** A fact in one line, for people who read a failing schedule. */
export function lineOf(fact: Fact): string {
  const who = fact.by === undefined ? "somebody" : `process ${fact.by}`;
  switch (fact.type) {
    case "began":
      return `${who} begins: ${fact.verb}`;
    case "ended":
      return `${who} ends: ${fact.result}${fact.said === "" ? "" : ` (${fact.said})`}`;
    case "called":
      return `${who} calls ${fact.call}${fact.refused ? ": refused" : ""}`;
    case "changed":
      return `${who} changes ${fact.unit}: ${stateOf(fact.from)} → ${stateOf(fact.to)}`;
    case "stored":
      return `${who} stores ${fact.key}: ${fact.text.trim().slice(0, 300)}`;
    case "store failed":
      return `${who} cannot reach the store`;
    case "crashed":
    case "paused":
    case "woken":
    case "told to stop":
  }
  return `${who} is ${fact.type}`;
}

function stateOf({ live, releases, stamp }: MemoryUnit): string {
  const kept = Object.keys(releases).join(",");
  return `${live?.content ?? "nothing"} [${kept}] epoch ${stamp?.epoch ?? 0}`;
}
