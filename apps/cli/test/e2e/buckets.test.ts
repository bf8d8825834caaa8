import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type S3Bucket,
  type S3Fault,
  type S3Quirks,
  type S3Request,
  type SandboxS3,
  startSandboxS3,
} from "@lockstep/testkit";
import { describe, expect, it, vi } from "vitest";
import { newShop } from "../shop.ts";
import { build, deployTen } from "./builds.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const PRODUCTION = ["-e", "production"];

interface Way {
  readonly quirks: S3Quirks;
  readonly words: readonly string[];
  readonly isDated: boolean;
  /** The build that is live in the end. */
  readonly wanted: RegExp;
}

describe("ten deployers of ten builds, with their state in a bucket", () => {
  const WAIT = ["--lock-wait", "2m"];
  const WAYS: readonly (readonly [string, Way])[] = [
    [
      "that do not wait: who was not first is told so",
      { quirks: {}, words: [], isDated: false, wanted: /^build\d$/ },
    ],
    [
      "that wait: all take turns",
      { quirks: { unquotedIfMatch: true }, words: WAIT, isDated: false, wanted: /^build\d$/ },
    ],
    [
      "that wait: none goes live after a newer one, so that the newest wins",
      { quirks: {}, words: WAIT, isDated: true, wanted: /^build9$/ },
    ],
  ];

  it.each(WAYS)(
    "%s; the last of the history is live, and whole",
    async (_, { quirks, words, isDated, wanted }) => {
      await using server = await startSandboxS3({ buckets: ["shop", "state"], quirks });
      // a store is opened outside of a run, and asks this process
      vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
      const winner = await deployTen({
        server,
        words,
        isDated,
        texts: async () => textsIn(server),
      });

      expect(winner).toMatch(wanted);
    },
    120_000,
  );
});

describe("a deployer that sleeps longer than its lease", () => {
  it("is put back by another, and writes nothing when it wakes, exit 35", async () => {
    let seen: (request: S3Request) => void = () => {};
    await using server = await startSandboxS3({
      buckets: ["shop", "state"],
      fault(request) {
        seen(request);
        return undefined;
      },
    });
    vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
    const shop = await newShop();
    const [one, two] = [
      await build(shop, { name: "one", server, ttlMs: 2000 }),
      await build(shop, { name: "two", server, ttlMs: 2000 }),
    ];
    expect((await one.lockstep(["deploy", "-y"])).exit).toBe(0);
    const words = ["--conditions=@lockstep/source", MAIN, "deploy", "-y", ...PRODUCTION];
    const child = spawn(process.execPath, words, { cwd: two.cwd, stdio: "ignore" });
    const ended = once(child, "close");
    const asleep = new Promise<void>((resolve) => {
      seen = ({ method, bucket, key }) => {
        if (method !== "PUT" || bucket !== "shop" || !key.startsWith("assets/")) return;
        child.kill("SIGSTOP");
        seen = () => {};
        resolve();
      };
    });
    await Promise.race([asleep, ended]);

    const taken = await one.lockstep(["recover", "--lock-wait", "1m"]).finally(() => {
      if (child.exitCode === null) child.kill("SIGCONT");
    });
    const before = textsIn(server);
    const [exit] = (await ended) as [number | null];

    expect(taken.exit, taken.err).toBe(0);
    expect(exit).toBe(35);
    expect(textsIn(server)).toEqual(before);
    expect(before["index.html"]).toBe(one.page);
    expect((await one.lockstep(["plan"])).out).toContain("1 unchanged.");
  }, 120_000);
});

describe("a deploy to a bucket in trouble", () => {
  /** What somebody does to the bucket at a request; tells what becomes of the request itself. */
  type Trouble = (request: S3Request, objects: S3Bucket) => S3Fault | undefined;
  let asked = 0;
  const storm: Trouble = () => {
    asked += 1;
    if (asked > 60 || asked % 3 === 0) return undefined;
    return asked % 3 === 1 ? "slow-down" : "lost-reply";
  };
  const takeAsset: Trouble = ({ method, key }, objects) => {
    const theirs = { body: Buffer.from("theirs"), etag: '"x"', headers: {}, modifiedMs: 0 };
    if (method === "PUT" && key.startsWith("assets/")) objects.set(key, theirs);
    return undefined;
  };
  const loseBytes: Trouble = ({ method, key }, objects) => {
    const isLast = method === "PUT" && key === "index.html";
    const ofTwo = [...objects].filter(([, { body }]) => Buffer.from(body).includes(">two<"));
    const blobs = ofTwo.filter(([name]) => name.includes("/blobs/"));
    if (isLast) for (const [name] of blobs) objects.delete(name);
    return undefined;
  };

  it.each<[string, Trouble, number]>([
    ["that passes is done", storm, 0],
    ["before it goes live changes nothing", takeAsset, 30],
    ["while it goes live is put back", loseBytes, 31],
  ])(
    "%s",
    async (_name, trouble, wanted) => {
      let fault: Trouble = () => undefined;
      const objects = (): S3Bucket => server.buckets.get("shop") ?? new Map();
      await using server: SandboxS3 = await startSandboxS3({
        buckets: ["shop", "state"],
        fault: (request) => (request.bucket === "shop" ? fault(request, objects()) : undefined),
      });
      vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
      const shop = await newShop();
      const [one, two] = [
        await build(shop, { name: "one", server }),
        await build(shop, { name: "two", server }),
      ];
      expect((await one.lockstep(["deploy", "-y"])).exit).toBe(0);

      fault = trouble;
      const { exit, err } = await two.lockstep(["deploy", "-y"]);

      expect(exit, err).toBe(wanted);
      const { page } = wanted === 0 ? two : one;
      expect(textsIn(server)).toMatchObject({ "index.html": page, "about.html": page });
    },
    60_000,
  );
});

describe("a page that somebody removed", () => {
  it("is found by a deep look, and put back by a deploy of the same build with `repair`", async () => {
    await using server = await startSandboxS3({ buckets: ["shop", "state"] });
    vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
    const one = await build(await newShop(), { name: "one", server, options: "repair: true" });
    expect((await one.lockstep(["deploy", "-y"])).exit).toBe(0);
    const objects = server.buckets.get("shop");
    const before = textsIn(server);
    for (const key of ["about.html", one.script]) objects?.delete(key);
    expect((await one.lockstep(["status", "--deep"])).out).toContain("2 live objects are gone");

    const { exit, err } = await one.lockstep(["deploy", "-y"]);

    expect(exit, err).toBe(0);
    expect(textsIn(server)).toMatchObject({
      "about.html": before["about.html"],
      [one.script]: before[one.script],
    });
    const deep = await one.lockstep(["status", "--deep"]);
    expect(deep.out).toContain("3 of 3 live objects are as they were deployed");
    expect((await one.lockstep(["plan"])).out).toContain("1 unchanged.");
  }, 60_000);
});

describe("a deploy with its state in a bucket", () => {
  it("asks 14 times when nothing changed, and 31 times for one page, lease and journal included", async () => {
    await using server = await startSandboxS3({ buckets: ["shop", "state"] });
    vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);
    const one = await build(await newShop(), { name: "one", server });
    const asked = async (words: readonly string[]) => {
      const first = server.requests.length;
      const { exit, err } = await one.lockstep(words);
      expect(exit, err).toBe(0);
      const requests = server.requests.slice(first);
      const of = (bucket: string): number =>
        requests.filter((request) => request.bucket === bucket).length;
      return { site: of("shop"), state: of("state") };
    };
    // a machine that is busy may need more than a second between two requests, and then looks twice more
    vi.spyOn(performance, "now").mockReturnValue(performance.now());
    await asked(["deploy", "-y"]);
    const idle = await asked(["deploy", "-y"]);
    await writeFile(join(one.cwd, "dist/about.html"), `${one.page}<p>More`);
    const changed = await asked(["deploy", "-y"]);

    expect(idle).toEqual({ site: 1, state: 13 });
    // the runner looks twice more, at the barrier and at the end: the write just before has said what is live
    expect(changed).toEqual({ site: 10, state: 21 });
  });
});

function textsIn(server: SandboxS3): Record<string, string> {
  const objects = server.buckets.get("shop") ?? new Map();
  return Object.fromEntries(
    [...objects].map(([key, { body }]) => [key, Buffer.from(body).toString()]),
  );
}
