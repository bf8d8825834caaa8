import { canonicalJson, type Json } from "@lockstep/plugin";
import { type Claim, isSame, must, mustEqual } from "../claims.ts";
import { type TargetDriver } from "../target-driver.ts";
import { undoable } from "../test-run.ts";

const VERSIONS = ["one", "two"] as const;

/** Promises about a run that nobody disturbs, and about putting it back. */
export const runClaims: readonly Claim<TargetDriver>[] = [
  {
    title: "what is staged is not seen, and leaves no trace when it is reverted",
    async holds(driver) {
      for (const version of VERSIONS) {
        const [start, releases] = [await driver.world.observe(), await driver.releases()];
        const refs = await driver.refs();
        await driver.world.build(version);
        driver.begin();
        const plan = await driver.plan();
        await driver.fence();
        const staged = await driver.apply(plan, "stage");
        mustEqual(await driver.world.observe(), start, "users see what is only staged");
        mustEqual(await driver.refs(), refs, "live names what is only staged");
        for (const time of ["a", "the second"]) {
          must(
            !(await driver.revert(staged)).includes("conflict"),
            `${time} revert saw a conflict`,
          );
          mustEqual(await driver.releases(), releases, `${time} revert left a release`);
          mustEqual(await driver.world.observe(), start, `${time} revert changed what users get`);
        }
        await driver.deploy();
      }
    },
  },
  {
    title:
      "after a deploy users get the new release, live names it, and a second plan has no steps",
    async holds(driver) {
      for (const version of VERSIONS) {
        const [start, refs] = [await driver.world.observe(), await driver.refs()];
        await driver.world.build(version);
        const { plan } = await driver.deploy();
        must(!isSame(await driver.world.observe(), start), "users do not get the release");
        must(!isSame(await driver.refs(), refs), "live still names what was live before");
        must(
          (await driver.live()).every(({ ref }) => ref !== null),
          "live names no release",
        );
        driver.begin();
        const second = await driver.plan();
        mustEqual(second.steps, [], "a second plan has steps");
        mustEqual(namesOf(second.outputs), namesOf(plan.outputs), "outputs of an empty plan");
      }
    },
  },
  {
    title: "checks change nothing, and answer pass, fail or inconclusive",
    async holds(driver) {
      await driver.world.build("one");
      const { plan } = await driver.deploy();
      const start = await driver.world.observe();
      for (const { status } of await driver.check(plan)) {
        must(["pass", "fail", "inconclusive"].includes(status), `${status} is no answer`);
      }
      mustEqual(await driver.world.observe(), start, "a check changed what users get");
    },
  },
  {
    title: "activating can be undone, back to the release before and back to nothing",
    async holds(driver) {
      for (const version of VERSIONS) {
        const [start, refs] = [await driver.world.observe(), await driver.refs()];
        await driver.world.build(version);
        const { steps } = await driver.deploy();
        for (const time of ["a", "the second"]) {
          must(!(await driver.revert(steps)).includes("conflict"), `${time} revert saw a conflict`);
          mustEqual(
            await driver.world.observe(),
            start,
            `after ${time} revert users do not get what they got before ${version}`,
          );
          mustEqual(
            await driver.refs(),
            refs,
            `after ${time} revert live does not name what was live before ${version}`,
          );
        }
        await driver.deploy();
      }
    },
  },
  {
    title: "reverting what was never applied changes nothing",
    async holds(driver) {
      for (const version of VERSIONS) {
        const start = await driver.world.observe();
        await driver.world.build(version);
        driver.begin();
        const plan = await driver.plan();
        await driver.fence();
        const seen = await driver.inspect(plan, "activate");
        for (const said of await driver.revert(seen)) {
          mustEqual(said, "untouched", "revert without apply");
        }
        mustEqual(await driver.world.observe(), start, "it changed what users get");
        await driver.deploy();
      }
    },
  },
  {
    title: "applying every step twice ends where applying it once does, with the same output",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const start = await driver.world.observe();
      await driver.world.build("two");
      driver.begin();
      const plan = await driver.plan();
      await driver.fence();
      await driver.fence();
      const seen = [
        ...(await driver.apply(plan, "stage")),
        ...(await driver.inspect(plan, "activate")),
      ];
      for (const one of seen) {
        const output = await driver.applyOne(one);
        const once = await driver.world.observe();
        mustEqual(await driver.applyOne(one), output, `the second output of ${one.step.id}`);
        mustEqual(await driver.world.observe(), once, `${one.step.id} applied twice`);
      }
      await driver.revert(seen);
      mustEqual(await driver.world.observe(), start, "what was applied twice is not put back");
    },
  },
  {
    title: "what is live and what was live before it survive any number of retires",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const before = await driver.live();
      await driver.world.build("two");
      const { plan } = await driver.deploy();
      const [seen, releases] = [await driver.world.observe(), await driver.releases()];
      await driver.retire(plan);
      mustEqual(await driver.world.observe(), seen, "a second retire changed what users get");
      mustEqual(await driver.releases(), releases, "a second retire dropped a release");
      for (const [unit, { ref, kept }] of (await driver.live()).entries()) {
        const names = kept.map((release) => canonicalJson(release));
        mustEqual(names[0], canonicalJson(before[unit]?.ref ?? null), "it was kept first");
        must(!names.includes(canonicalJson(ref)), "what is live stands among what is kept");
      }
    },
  },
  {
    title: "an earlier release can be made live again without its source, and that put back",
    async holds(driver) {
      await driver.world.build("one");
      await driver.deploy();
      const [one, live, release] = [
        await driver.world.observe(),
        await driver.live(),
        driver.release,
      ];
      const refs = await driver.refs();
      await driver.world.build("two");
      await driver.deploy();
      const [two, refsOfTwo] = [await driver.world.observe(), await driver.refs()];
      driver.begin(release);
      const plan = await driver.plan(live);
      must(
        plan.steps.every(({ phase }) => phase !== "stage"),
        "a return stages something",
      );
      await driver.fence();
      const steps = await driver.apply(plan, "activate");
      mustEqual(await driver.world.observe(), one, "users do not get the earlier release");
      mustEqual(await driver.refs(), refs, "live does not name the earlier release");
      await driver.revert(undoable(steps));
      mustEqual(await driver.world.observe(), two, "the return is not put back");
      mustEqual(await driver.refs(), refsOfTwo, "live does not name what the return replaced");
    },
  },
];

function namesOf(outputs: Readonly<Record<string, Json>> = {}): string[] {
  return Object.keys(outputs).toSorted();
}
