import {
  canonicalJson,
  isTarget,
  type Json,
  type PlannedStep,
  type Target,
} from "@lockstep/plugin";
import { type Claim, isPlain, must, mustEqual } from "../claims.ts";
import type { TargetDriver } from "../target-driver.ts";

const MEMBERS = [
  "~lockstep places traits steps checks retires errors problems",
  "connect live plan fence watch doctor audit",
].flatMap((line) => line.split(" "));

/** Promises about what a target is and what it plans. */
export const shapeClaims: readonly Claim<TargetDriver>[] = [
  {
    title: "it says what made it and which places it claims, and has no unknown members",
    async holds({ world: { target } }) {
      must(isTarget(target), "it has no brand");
      must(target["~lockstep"].api === 1, "it speaks another contract");
      mustEqual(target.problems ?? [], [], "its options have problems");
      must(target.places.length > 0, "it claims no place");
      const unknown = Object.keys(target).filter((key) => !MEMBERS.includes(key));
      mustEqual(unknown, [], "unknown members");
      const passwords = target.places.filter((place) => /:\/\/[^/@]*:[^/@]*@/.test(place));
      mustEqual(passwords, [], "a place shows a password");
      const { fencing } = target.traits;
      must(["checked", "compare", "none"].includes(fencing), `${fencing} is no way of fencing`);
      must(fencing === "none" || target.fence !== undefined, "it is fenced, and has no fence");
    },
  },
  {
    title: "its kinds are its own and have format numbers, and its errors are explained",
    async holds({ world: { target } }) {
      const kinds = handlersOf(target).map(({ kind }) => kind);
      mustEqual(new Set(kinds).size, kinds.length, "two handlers have one kind");
      const nameless = kinds.filter((kind) => !/^[a-z0-9-]+\.[a-z-]+\/[1-9][0-9]*$/.test(kind));
      mustEqual(nameless, [], "these are no kinds");
      const vague = Object.entries(target.errors ?? {}).filter(
        ([, { when, why, fix }]) => when === "" || why === "" || fix === "",
      );
      mustEqual(vague, [], "codes that are not explained");
    },
  },
  {
    title: "connecting and looking change nothing",
    async holds(driver) {
      mustEqual(await driver.world.observe(), driver.untouched, "connecting changed something");
      const first = await driver.live();
      mustEqual(await driver.live(), first, "live says something else the second time");
      mustEqual(await driver.world.observe(), driver.untouched, "looking changed what users get");
    },
  },
  {
    title: "planning twice gives the same bytes, in any process, and changes nothing",
    async holds(driver) {
      for (const version of ["one", "two"] as const) {
        await driver.world.build(version);
        driver.begin();
        const [start, live] = [await driver.world.observe(), await driver.live()];
        const first = bytesOf(await driver.plan());
        mustEqual(await driver.world.observe(), start, "planning changed what users get");
        mustEqual(await driver.live(), live, "planning changed what live says");
        mustEqual(bytesOf(await driver.plan()), first, "the second plan differs");
        mustEqual(bytesOf(await driver.planElsewhere()), first, "another process plans otherwise");
        await driver.deploy();
      }
    },
  },
  {
    title: "a plan is plain data, and does not depend on who fenced the target last",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      await driver.world.build("two");
      driver.begin();
      const plan = await driver.plan();
      must(isPlain(plan), "JSON does not keep all of the plan");
      await driver.fence();
      mustEqual(bytesOf(await driver.plan()), bytesOf(plan), "a stamp is part of the plan");
    },
  },
  {
    title:
      "every planned step has an id of its own and a handler for its phase, and can be undone or says why not",
    async holds(driver) {
      await driver.world.build("one");
      const { target } = driver.world;
      const { steps } = await driver.plan();
      must(steps.length > 0, "nothing is planned for a new target");
      mustEqual(new Set(steps.map(({ id }) => id)).size, steps.length, "ids are not unique");
      for (const step of steps) {
        must(hasPlace(target, step), `nothing handles ${step.kind} in ${step.phase}`);
        const handler = target.steps.find(({ kind }) => kind === step.kind);
        const undone = handler?.revert !== undefined || step.undo !== undefined;
        must(handler === undefined || undone, `${step.kind} cannot be undone`);
        must(Number.isSafeInteger(step.wave ?? 0), `the wave of ${step.id} is no whole number`);
      }
    },
  },
];

/** Steps stage and activate, retires retire, checks look in every phase before that. */
function hasPlace(target: Target, { kind, phase }: PlannedStep): boolean {
  const knows = (handlers: readonly { readonly kind: string }[] = []): boolean =>
    handlers.some((handler) => handler.kind === kind);
  if (phase === "retire") return knows(target.retires);
  return knows(target.checks) || (phase !== "verify" && knows(target.steps));
}

function handlersOf(target: Target): { readonly kind: string }[] {
  return [...target.steps, ...(target.checks ?? []), ...(target.retires ?? [])];
}

function bytesOf(plan: object): string {
  return canonicalJson(plan as Json);
}
