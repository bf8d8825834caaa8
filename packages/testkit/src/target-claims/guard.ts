import {
  type Claim,
  codeOf,
  editByHand,
  failureOf,
  must,
  mustEqual,
  mustFail,
  withoutForeignEdit,
} from "../claims.ts";
import { type TargetDriver } from "../target-driver.ts";
import { type SeenStep, undoable } from "../test-run.ts";

/** Promises about runs that others come into: newer runs, other people, a build that goes on. */
export const guardClaims: readonly Claim<TargetDriver>[] = [
  {
    title: "a run that was overtaken cannot activate any more, and writes nothing",
    untried: withoutFence,
    async holds(driver) {
      const { seen, old } = await stagedOverOne(driver);
      const start = await driver.world.observe();
      const newer = await driver.overtake();
      for (const one of seen) {
        const apply = (): Promise<unknown> => driver.applyOne(one, old);
        await mustFail("FENCED", apply, `apply of ${one.step.id} by an overtaken run`);
        mustEqual(await driver.world.observe(), start, "an overtaken run changed what users get");
      }
      await mustFail("FENCED", () => driver.fence(old), "the fence of an overtaken run");
      for (const { stamp } of await driver.live()) mustEqual(stamp, newer, "the stamp live shows");
    },
  },
  {
    title: "a process whose run is recovered by another cannot put anything back any more",
    untried: withoutFence,
    async holds(driver) {
      const { seen, old } = await stagedOverOne(driver);
      for (const one of seen) await driver.applyOne(one);
      const start = await driver.world.observe();
      const newer = await driver.recover();
      for (const one of seen.toReversed()) {
        const revert = (): Promise<unknown> => driver.revert([one], old);
        await mustFail("FENCED", revert, `revert of ${one.step.id} with an old stamp`);
        mustEqual(await driver.world.observe(), start, "it changed what users get");
      }
      for (const said of await driver.revert(seen, newer)) {
        mustEqual(said, "restored", "the revert of the process that recovers");
      }
    },
  },
  {
    title: "apply never overwrites what somebody else changed",
    untried: ({ world }) => withoutForeignEdit(world),
    async holds(driver) {
      const { seen } = await stagedOverOne(driver);
      await editByHand(driver.world);
      const refused: SeenStep[] = [];
      for (const one of seen) {
        const start = await driver.world.observe();
        const failure = await failureOf(() => driver.applyOne(one));
        if (failure === undefined) continue;
        if (codeOf(failure) !== "STEP_CONFLICT") throw failure;
        refused.push(one);
        mustEqual(await driver.world.observe(), start, `${one.step.id} overwrote it`);
      }
      must(refused.length > 0, "no apply says STEP_CONFLICT over a foreign change");
      for (const one of refused.toReversed()) {
        const start = await driver.world.observe();
        await driver.revert([one]);
        mustEqual(await driver.world.observe(), start, `revert of ${one.step.id} overwrote it`);
      }
    },
  },
  {
    title: "revert never overwrites what somebody else changed",
    untried: ({ world }) => withoutForeignEdit(world),
    async holds(driver) {
      const { seen } = await stagedOverOne(driver);
      for (const one of seen) await driver.applyOne(one);
      await editByHand(driver.world);
      let conflicts = 0;
      for (const one of seen.toReversed()) {
        const start = await driver.world.observe();
        if (!(await driver.revert([one])).includes("conflict")) continue;
        conflicts += 1;
        mustEqual(await driver.revert([one]), ["conflict"], "the second revert");
        mustEqual(await driver.world.observe(), start, `revert of ${one.step.id} overwrote it`);
      }
      must(conflicts > 0, "no revert says conflict over a foreign change");
    },
  },
  {
    title: "what goes live is what was planned, or the changed source is refused",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const one = await driver.world.observe();
      await driver.world.build("two");
      await driver.deploy();
      const two = await driver.world.observe();
      await driver.world.build("one");
      driver.begin();
      const plan = await driver.plan();
      await driver.world.build("two");
      await driver.fence();
      const failure = await failureOf(() => driver.apply(plan, "stage"));
      mustEqual(await driver.world.observe(), two, "users see what is only staged");
      if (codeOf(failure) === "SOURCE_CHANGED") return;
      if (failure !== undefined) throw failure;
      await driver.apply(plan, "activate");
      mustEqual(await driver.world.observe(), one, "users do not get what was planned");
    },
  },
];

function withoutFence({ world: { target } }: TargetDriver): string | undefined {
  return target.traits.fencing === "none" ? "nothing fences this target" : undefined;
}

/** Release one is live, two is staged; what its activate steps see comes back, and the stamp of that run. */
async function stagedOverOne(driver: TargetDriver): Promise<{
  readonly seen: readonly SeenStep[];
  readonly old: ReturnType<TargetDriver["begin"]>;
}> {
  await driver.world.build("one");
  await driver.deploy();
  await driver.world.build("two");
  const old = driver.begin();
  const plan = await driver.plan();
  await driver.fence();
  await driver.apply(plan, "stage");
  const seen = undoable(await driver.inspect(plan, "activate"));
  must(seen.length > 0, "nothing is planned to be activated");
  return { seen, old };
}
