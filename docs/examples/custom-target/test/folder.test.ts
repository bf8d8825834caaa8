import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Live, PlanContext, PlanRequest, Step } from "@lockstep/plugin";
import { describeTargetContract, testContext } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { folder } from "../src/folder.ts";

/** Where somebody else's release would be; any name of that shape. */
const FOREIGN = "f".repeat(64);

let root = "";
let file = "";
let path = "";

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "lockstep-folder-")));
  [file, path] = [join(root, "build.txt"), join(root, "live")];
  mkdirSync(join(path, "releases"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

function context(): PlanContext<AsyncDisposable> & ReturnType<typeof testContext<AsyncDisposable>> {
  const connection = { [Symbol.asyncDispose]: () => Promise.resolve() };
  return { ...testContext<AsyncDisposable>(connection), outputs: () => undefined };
}

interface Applied {
  readonly step: Step<never, never, never, AsyncDisposable>;
  readonly input: never;
  readonly before: never;
}

/** Plans and applies as the runner does, without one. */
async function run(request: PlanRequest): Promise<readonly Applied[]> {
  const target = folder(file, path);
  const { steps } = await target.plan(request, context());
  const applied: Applied[] = [];
  for (const { kind, input } of steps) {
    const step = target.steps.find((candidate) => candidate.kind === kind) as Applied["step"];
    const before = await step.inspect(input as never, context());
    await step.apply(input as never, before, context());
    applied.push({ step, input: input as never, before });
  }
  return applied;
}

function deploy(content: string): Promise<readonly Applied[]> {
  writeFileSync(file, content);
  return run({ kind: "deploy", release: context().release });
}

function live(): Promise<readonly Live[]> {
  return folder(file, path).live(context());
}

/** What a reader of the folder gets; null when nothing is live. */
function served(): string | null {
  if (!existsSync(join(path, "current"))) return null;
  const [ref = ""] = readFileSync(join(path, "current"), "utf8").split("\n");
  return ref === "" ? null : readFileSync(join(path, "releases", ref), "utf8");
}

describeTargetContract("the folder target", async () => ({
  target: folder(file, path),
  folder: root,
  build: async (version) => writeFileSync(file, version),
  observe: async () => served(),
  async foreignEdit() {
    writeFileSync(join(path, "releases", FOREIGN), "theirs");
    writeFileSync(join(path, "current"), FOREIGN);
  },
}));

describe("the folder target", () => {
  it("is at most 60 lines of code", () => {
    const source = readFileSync(join(import.meta.dirname, "../src/folder.ts"), "utf8");
    const code = source.split("\n").filter((line) => !/^\s*(\/\/.*|\/\*\*.*\*\/)?$/.test(line));

    expect(code.length).toBeLessThanOrEqual(60);
  });

  it("imports the contract and Node, and nothing else", () => {
    const source = readFileSync(join(import.meta.dirname, "../src/folder.ts"), "utf8");
    const imported = [...source.matchAll(/from "([^"]+)"/g)].map((match) => match[1]);

    expect(imported).toEqual(["node:crypto", "node:fs", "@lockstep/plugin"]);
  });

  it("serves what was deployed, and keeps the release before it", async () => {
    await deploy("one");
    await deploy("two");

    expect(served()).toBe("two");
    expect((await live())[0]?.kept).toHaveLength(1);
  });

  it("plans nothing when the same content is live", async () => {
    await deploy("one");

    expect(await deploy("one")).toEqual([]);
  });

  it("plans a copy and a name for the first release, changing nothing yet", async () => {
    writeFileSync(file, "one\n");
    const plan = await folder(file, path).plan(
      { kind: "deploy", release: context().release },
      context(),
    );

    const { changes, steps } = plan;
    expect(changes).toEqual([{ action: "change", what: file, reason: "content" }]);
    expect(steps.map(({ id, phase }) => [id, phase])).toEqual([
      ["stage", "stage"],
      ["activate", "activate"],
    ]);
    expect(steps[0]?.input).toMatchObject({
      ref: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(readdirSync(path)).toEqual(["releases"]);
  });

  it("goes back to a kept release without its source", async () => {
    await deploy("one");
    const [before] = await live();
    await deploy("two");
    rmSync(file);

    await run({ kind: "return", refs: before === undefined ? [] : [before] });

    expect(served()).toBe("one");
  });

  it("refuses a source that changed after the plan, and leaves nothing", async () => {
    writeFileSync(file, "planned");
    const target = folder(file, path);
    const { steps } = await target.plan({ kind: "deploy", release: context().release }, context());
    writeFileSync(file, "changed");

    const stage = target.steps[0] as Applied["step"];
    const applied = stage.apply(steps[0]?.input as never, null as never, context());
    await expect(applied).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
    expect(readdirSync(join(path, "releases"))).toEqual([]);
  });

  it("puts back what it saw, also when nothing was live", async () => {
    const [, first] = await deploy("one");

    expect(await first?.step.revert?.(first.input, first.before, context())).toBe("restored");
    expect(await live()).toEqual([{ ref: null, kept: [] }]);
    expect(await first?.step.revert?.(first.input, first.before, context())).toBe("untouched");
  });

  it("keeps what it kept before when a release was put back, and not that release", async () => {
    await deploy("one");
    await deploy("two");
    const before = await live();
    const [, third] = await deploy("three");

    await third?.step.revert?.(third.input, third.before, context());

    expect(await live()).toEqual(before);
    expect(served()).toBe("two");
  });

  it("leaves alone what somebody else named, on the way there and back", async () => {
    await deploy("one");
    const [, second] = await deploy("two");
    writeFileSync(join(path, "current"), FOREIGN);

    expect(await second?.step.revert?.(second.input, second.before, context())).toBe("conflict");
    const again = second?.step.apply(second.input, second.before, context());
    await expect(again).rejects.toMatchObject({ code: "STEP_CONFLICT" });
    expect(readFileSync(join(path, "current"), "utf8")).toBe(FOREIGN);
  });

  it("changes nothing when a step is applied twice", async () => {
    await deploy("one");
    const applied = await deploy("two");
    const files = (): unknown[] =>
      readdirSync(path, { recursive: true, encoding: "utf8" }).toSorted();
    const before = [files(), await live(), served()];

    for (const { step, input, before: seen } of applied) {
      expect(await step.apply(input, seen, context())).toBeNull();
    }

    expect([files(), await live(), served()]).toEqual(before);
  });
});
