import { canonicalJson, isTarget, type Json, pluginErrors } from "@lockstep/plugin";
import { describe, it } from "vitest";
import { type Claim, must, mustEqual, mustFail } from "./claims.ts";
import { TargetDriver, type TargetWorld } from "./target-driver.ts";

const MEMBERS = [
  "~lockstep places traits steps checks retires errors problems",
  "connect live plan fence watch doctor",
].flatMap((line) => line.split(" "));

/** Registers one test for each promise of a target; `make` builds a fresh, empty world for every one. */
export function describeTargetContract(name: string, make: () => Promise<TargetWorld>): void {
  describe(`${name} keeps the target contract:`, () => {
    for (const { title, holds } of targetClaims) {
      it(title, async () => {
        const world = await make();
        await using driver = await TargetDriver.connect(world);
        await holds(driver);
        searchForSecrets(driver);
        refuseUnknownCodes(driver);
      });
    }
  });
}

/** The promises of {@link Target} and of its steps together, one by one. */
export const targetClaims: readonly Claim<TargetDriver>[] = [
  {
    title: "it says what made it and which places it claims, and has no unknown members",
    async holds({ world: { target } }) {
      must(isTarget(target), "it has no brand");
      must(target["~lockstep"].api === 1, "it speaks another contract");
      must(target.places.length > 0, "it claims no place");
      const unknown = Object.keys(target).filter((key) => !MEMBERS.includes(key));
      mustEqual(unknown, [], "unknown members");
      const passwords = target.places.filter((place) => /:\/\/[^/@]*:[^/@]*@/.test(place));
      mustEqual(passwords, [], "a place shows a password");
    },
  },
  {
    title: "connecting and looking change nothing",
    async holds(driver) {
      const start = await driver.world.observe();
      const first = await driver.live();
      mustEqual(await driver.live(), first, "live says something else the second time");
      mustEqual(await driver.world.observe(), start, "looking changed what users get");
    },
  },
  {
    title: "planning twice gives the same bytes and changes nothing",
    async holds(driver) {
      await driver.world.build("one");
      const start = await driver.world.observe();
      const first = canonicalJson((await driver.plan()) as unknown as Json);
      const second = canonicalJson((await driver.plan()) as unknown as Json);
      mustEqual(second, first, "the second plan differs");
      mustEqual(await driver.world.observe(), start, "planning changed what users get");
    },
  },
  {
    title:
      "every planned step has an id of its own and a handler, and can be undone or says why not",
    async holds(driver) {
      await driver.world.build("one");
      const { target } = driver.world;
      const { steps } = await driver.plan();
      must(steps.length > 0, "nothing is planned for a new target");
      mustEqual(new Set(steps.map(({ id }) => id)).size, steps.length, "ids are not unique");
      for (const { kind, undo } of steps) {
        const step = target.steps.find((handler) => handler.kind === kind);
        const other = [...(target.checks ?? []), ...(target.retires ?? [])];
        must(
          step !== undefined || other.some((handler) => handler.kind === kind),
          `no handler for ${kind}`,
        );
        must(
          step === undefined || step.revert !== undefined || undo !== undefined,
          `${kind} cannot be undone`,
        );
      }
    },
  },
  {
    title: "what is staged is not seen, and leaves no trace when it is reverted",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const [start, live] = [await driver.world.observe(), await refsAndKept(driver)];
      await driver.world.build("two");
      driver.begin();
      const plan = await driver.plan();
      await driver.fence();
      const staged = await driver.apply(plan, "stage");
      mustEqual(await driver.world.observe(), start, "users see what is only staged");
      mustEqual(await driver.refs(), live.refs, "live names what is only staged");
      await driver.revert(staged);
      mustEqual(await refsAndKept(driver), live, "a reverted staging is still kept");
      await driver.revert(staged);
      mustEqual(await driver.world.observe(), start, "the second revert changed what users get");
    },
  },
  {
    title:
      "after a deploy users get the new release, live names it, and a second plan has no steps",
    async holds(driver) {
      await driver.world.build("one");
      const start = await driver.world.observe();
      await driver.deploy();
      must(!same(await driver.world.observe(), start), "users do not get the release");
      must(
        (await driver.live()).every(({ ref }) => ref !== null),
        "live names no release",
      );
      driver.begin();
      mustEqual((await driver.plan()).steps, [], "a second plan has steps");
    },
  },
  {
    title: "activating can be undone, back to the release before and back to nothing",
    async holds(driver) {
      for (const version of ["one", "two"] as const) {
        const [start, refs] = [await driver.world.observe(), await driver.refs()];
        await driver.world.build(version);
        const { steps } = await driver.deploy();
        await driver.revert(steps);
        mustEqual(
          await driver.world.observe(),
          start,
          `users do not get what they got before ${version}`,
        );
        mustEqual(await driver.refs(), refs, `live does not name what was live before ${version}`);
        mustEqual(
          new Set(await driver.revert(steps)).has("conflict"),
          false,
          "a second revert finds a conflict",
        );
        mustEqual(await driver.world.observe(), start, "the second revert changed what users get");
        await driver.deploy();
      }
    },
  },
  {
    title: "reverting what was never applied changes nothing",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const start = await driver.world.observe();
      await driver.world.build("two");
      driver.begin();
      const plan = await driver.plan();
      await driver.fence();
      const activate = await driver.inspect(plan, "activate");
      mustEqual(
        new Set(await driver.revert(activate)),
        new Set(["untouched"]),
        "revert without apply",
      );
      mustEqual(await driver.world.observe(), start, "revert without apply changed what users get");
    },
  },
  {
    title: "applying every step twice ends where applying it once does",
    async holds(driver) {
      await driver.world.build("one");
      driver.begin();
      const plan = await driver.plan();
      await driver.fence();
      await driver.fence();
      for (const phase of ["stage", "activate"] as const) {
        for (const step of await driver.inspect(plan, phase)) {
          await driver.applyOne(step);
          const once = await driver.world.observe();
          await driver.applyOne(step);
          mustEqual(
            await driver.world.observe(),
            once,
            `${step.step.id} applied twice ends elsewhere`,
          );
        }
      }
    },
  },
  {
    title: "an earlier release can be made live again without its source",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const [one, live] = [await driver.world.observe(), await driver.live()];
      await driver.world.build("two");
      await driver.deploy();
      const kept = (await driver.live()).map(({ kept: refs }) =>
        refs.map((ref) => canonicalJson(ref)),
      );
      must(
        live.every(({ ref }, unit) => kept[unit]?.includes(canonicalJson(ref)) === true),
        "it is not kept",
      );
      driver.begin();
      const plan = await driver.plan(live);
      must(
        plan.steps.every(({ phase }) => phase !== "stage"),
        "a return stages something",
      );
      await driver.fence();
      await driver.apply(plan, "activate");
      mustEqual(await driver.world.observe(), one, "users do not get the earlier release");
    },
  },
  {
    title: "a run that was overtaken is refused, in both directions, and writes nothing",
    async holds(driver) {
      if (driver.world.target.traits.fencing === "none") return;
      await driver.world.build("one");
      await driver.deploy();
      const start = await driver.world.observe();
      await driver.world.build("two");
      const old = driver.begin();
      const plan = await driver.plan();
      await driver.fence();
      await driver.apply(plan, "stage");
      const [step] = await driver.inspect(plan, "activate");
      if (step === undefined) throw new Error("nothing to activate");
      await driver.fence(driver.begin());
      await mustFail("FENCED", () => driver.applyOne(step, old), "apply of an overtaken run");
      mustEqual(await driver.world.observe(), start, "an overtaken run changed what users get");
      await driver.applyOne(step);
      const activated = await driver.world.observe();
      await mustFail("FENCED", () => driver.revert([step], old), "revert of an overtaken run");
      mustEqual(await driver.world.observe(), activated, "an overtaken run undid a newer one");
      must(
        (await driver.live()).every(({ stamp }) => (stamp?.epoch ?? 0) > old.epoch),
        "live shows an old stamp",
      );
    },
  },
  {
    title: "what somebody else changed is never overwritten, by apply or by revert",
    async holds(driver) {
      if (driver.world.foreignEdit === undefined) return;
      await driver.world.build("one");
      await driver.deploy();
      await driver.world.build("two");
      driver.begin();
      const plan = await driver.plan();
      await driver.fence();
      await driver.apply(plan, "stage");
      const [step] = await driver.inspect(plan, "activate");
      if (step === undefined) throw new Error("nothing to activate");
      await driver.world.foreignEdit();
      const edited = await driver.world.observe();
      await mustFail("STEP_CONFLICT", () => driver.applyOne(step), "apply over a foreign change");
      mustEqual(await driver.world.observe(), edited, "apply overwrote a foreign change");
      await driver.revert([step]);
      mustEqual(await driver.world.observe(), edited, "revert overwrote a foreign change");
    },
  },
];

async function refsAndKept(
  driver: TargetDriver,
): Promise<{ readonly refs: Json; readonly kept: Json }> {
  const live = await driver.live();
  return { refs: await driver.refs(), kept: live.map(({ kept }) => kept) };
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function searchForSecrets({ world, seen }: TargetDriver): void {
  const text = JSON.stringify([seen, world.target.places]);
  for (const [name, value] of Object.entries(world.env ?? {})) {
    must(
      value.length < 6 || !text.includes(value),
      `the value of ${name} is in a plan or an output`,
    );
  }
}

function refuseUnknownCodes({ world, codes }: TargetDriver): void {
  const known = new Set([...Object.keys(pluginErrors), ...Object.keys(world.target.errors ?? {})]);
  mustEqual(
    [...codes].filter((code) => !known.has(code)),
    [],
    "codes without a catalogue entry",
  );
}
