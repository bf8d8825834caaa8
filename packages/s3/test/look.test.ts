import { afterEach, describe, expect, it, vi } from "vitest";
import { RoutedRig } from "./cloudfront/routed-rig.ts";
import { Rig } from "./rig.ts";
import { filesOf } from "./world.ts";

/** Requests that `what` sends to the bucket. */
async function askedBy(rig: Rig, what: () => Promise<unknown>): Promise<number> {
  const from = rig.sandbox.requests.length;
  await what();
  return rig.sandbox.requests.length - from;
}

afterEach(() => vi.restoreAllMocks());

describe("a look at what is live, right after a write of the same run", () => {
  it("is answered by that write, once", async () => {
    await using rig = await Rig.open();
    vi.spyOn(performance, "now").mockReturnValue(5_000);
    await rig.deploy(filesOf("one"));

    expect(await askedBy(rig, () => rig.live())).toBe(0);
    expect(await askedBy(rig, () => rig.live())).toBe(1);
    await using other = await rig.beside();
    expect(await rig.live()).toEqual(await other.live());
  });

  it("is asked anew a second later", async () => {
    await using rig = await Rig.open();
    const clock = vi.spyOn(performance, "now").mockReturnValue(5_000);
    await rig.deploy(filesOf("one"));
    clock.mockReturnValue(6_000);

    expect(await askedBy(rig, () => rig.live())).toBe(1);
  });

  it("is asked anew where the server ignores conditions", async () => {
    await using rig = await Rig.open({ server: { quirks: { ignoresConditions: true } } });
    vi.spyOn(performance, "now").mockReturnValue(5_000);
    await rig.deploy(filesOf("one"));

    expect(await askedBy(rig, () => rig.live())).toBe(1);
  });

  it("lets nothing go live over what somebody else made live meanwhile", async () => {
    await using rig = await Rig.open();
    vi.spyOn(performance, "now").mockReturnValue(5_000);
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    const theirs = JSON.parse(rig.text(".lockstep/current.json") ?? "{}");
    const release = `sha256:${"0".repeat(64)}`;
    rig.edit(".lockstep/current.json", JSON.stringify({ ...theirs, live: release }));
    const before = new Map(rig.objects);

    const seen = await askedBy(rig, () => rig.live());
    const activated = rig.apply(plan, "activate");

    expect(seen).toBe(0);
    await expect(activated).rejects.toMatchObject({ code: "STEP_CONFLICT" });
    expect(rig.objects).toEqual(before);
  });

  it("behind the router is answered by what the step looked at, once", async () => {
    await using routed = await RoutedRig.open();
    const { rig, store } = routed;
    vi.spyOn(performance, "now").mockReturnValue(5_000);
    await rig.folder.build(filesOf("one"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    const [step] = plan.steps.filter(({ phase }) => phase === "activate");
    const activate = rig.target.steps.find(({ kind }) => kind === step?.kind);
    await activate?.inspect(step?.input ?? null, rig.context());
    const from = store.requests.length;

    await rig.live();
    expect(store.requests.length - from).toBe(0);
    await rig.live();
    expect(store.requests.length - from).toBeGreaterThan(0);
  });
});
