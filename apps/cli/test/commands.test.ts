import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { lockstep, newShop, type Said, type Shop } from "./shop.ts";

const PRODUCTION = ["-e", "production"];
const DEPLOY = ["deploy", "-y", ...PRODUCTION];
const RELEASE = /^\d{8}T\d{6}Z-[0-9a-f]{8}\n$/;

beforeEach(() => {
  // Releases of one commit and one second would share a name.
  vi.stubEnv("GIT_CEILING_DIRECTORIES", join(import.meta.dirname, "../.reports"));
  return () => vi.unstubAllEnvs();
});

/** The last document on stdout. */
function documentOf({ out }: Said): Record<string, unknown> {
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

/** What the shop serves, by unit. */
async function liveIn({ folder }: Shop): Promise<unknown> {
  const { units } = JSON.parse(await readFile(join(folder, "world.json"), "utf8")) as {
    readonly units: Record<string, { readonly live: { readonly content: string } | null }>;
  };
  return Object.values(units).map(({ live }) => live?.content);
}

describe("a deploy", () => {
  it("answers with the live release on stdout, and tells the story on stderr", async () => {
    const shop = await newShop("one");

    const { exit, out, err } = await shop.lockstep("one", DEPLOY);

    expect(exit).toBe(0);
    expect(out).toMatch(RELEASE);
    expect(err).toContain("[web web-1] stage one on web-1 (");
    expect(err.trim().split("\n").slice(-2)).toEqual([
      `✔ Deployed. Release ${out.trim()} is live in production.`,
      expect.stringMatching(/^ {2}Pointers moved within \d+ ms\.$/),
    ]);
    expect(await liveIn(shop)).toEqual(["one", "one"]);
  });

  it("of what is live already answers with the release that is live, and begins no run", async () => {
    const shop = await newShop("one");
    const first = await shop.lockstep("one", DEPLOY);

    const again = await shop.lockstep("one", DEPLOY);

    expect(again).toMatchObject({ exit: 0, out: first.out });
    expect(again.err).toContain("Nothing to do");
  });

  it("that fails its check is rolled back, exit 31, and says where and why", async () => {
    const shop = await newShop("one", "broken");
    const before = await shop.lockstep("one", DEPLOY);

    const { exit, out, err } = await shop.lockstep("broken", DEPLOY);

    expect({ exit, out }).toEqual({ exit: 31, out: "" });
    expect(await liveIn(shop)).toEqual(["one", "one"]);
    const end = err.slice(err.indexOf("✖")).split("\n");
    expect(end.slice(0, 5)).toEqual([
      "✖ CHECK_FAILED  web web-2: ask web-2",
      "  wanted  status 200",
      "  found   status 500 ",
      expect.stringMatching(/^ {2}→ /),
      `✖ Deploy failed and was rolled back. Release ${before.out.trim()} is live on every target.`,
    ]);
    expect(err).not.toContain("\u001b");
    expect(end.at(-2)).toMatch(
      /^ {2}→ lockstep explain production-\d{6}-[0-9a-f]{8} -e production -c broken\.config\.ts$/,
    );
  });

  it.each([
    ["unstaged", 30, "failed before anything was activated; users saw nothing. Nothing is live"],
    ["silent", 34, "is undecided: a check could not be measured; the run is open."],
    ["stuck", 32, "a person is needed: not everything is as it was."],
    ["unreadable", 1, "UNEXPECTED  web: no route"],
  ])("of content that is %s ends with %d", async (content, exit, text) => {
    const shop = await newShop(content);

    const said = await shop.lockstep(content, DEPLOY);

    expect(said).toMatchObject({ exit, out: "" });
    expect(said.err).toContain(text);
  });

  it("over a run that was not finished ends with 25 and names the command that helps", async () => {
    const shop = await newShop("silent", "one");
    await shop.lockstep("silent", DEPLOY);

    const blocked = await shop.lockstep("one", DEPLOY);
    const recovered = await shop.lockstep("one", ["recover", ...PRODUCTION]);
    const free = await shop.lockstep("one", DEPLOY);

    expect(blocked.exit).toBe(25);
    expect(blocked.err).toContain("lockstep recover -e production");
    expect(recovered.exit).toBe(0);
    expect(recovered.err).not.toContain("✖");
    expect(recovered.err).toContain("✔ Recovered: the run was rolled back. Nothing is live");
    expect(free.exit).toBe(0);
  });

  it("over one target leaves the others alone and says so", async () => {
    const shop = await newShop("one");

    const { err } = await shop.lockstep("one", [...DEPLOY, "-t", "web"]);
    const unknown = await shop.lockstep("one", [...DEPLOY, "-t", "wbe"]);

    expect(err).toMatch(/Release \S+ is live in production, on web\./);
    expect(unknown.exit).toBe(2);
    expect(unknown.err).toContain('Did you mean "web"?');
  });
});

describe("a yes", () => {
  it("is asked for at a terminal, below the plan", async () => {
    const shop = await newShop("one");

    const no = await shop.lockstep("one", ["deploy", ...PRODUCTION], { answer: "no" });
    const yes = await shop.lockstep("one", ["deploy", ...PRODUCTION], { answer: "yes" });

    expect([no.exit, yes.exit]).toEqual([24, 0]);
    const question = no.err.indexOf("Deploy to production? Type yes: ");
    expect(question).toBeGreaterThan(no.err.indexOf("1 target to change"));
    expect(yes.err.split("1 target to change")).toHaveLength(2);
  });

  it("for a protected environment is its name, also with -y", async () => {
    const shop = await newShop("one");
    await shop.holds("one", "protected: true");
    const run = (words: readonly string[], answer?: string): Promise<Said> =>
      shop.lockstep("one", [...words, ...PRODUCTION], answer === undefined ? {} : { answer });

    const said = [
      await run(["deploy", "-y"]),
      await run(["deploy", "--confirm", "staging"]),
      await run(["deploy"], "yes"),
      await run(["deploy", "--confirm", "production"]),
      await run(["deploy"], "production"),
    ];

    expect(said.map(({ exit }) => exit)).toEqual([24, 24, 24, 0, 0]);
    expect(said[0]?.err).toContain("--confirm production");
  });

  it.each([
    ["in CI", { env: { CI: "true" } }, ["deploy"]],
    ["with --no-input", {}, ["deploy", "--no-input"]],
    ["when a program reads the answer", {}, ["deploy", "--output", "json"]],
  ])("is never waited for %s", async (_, call, words) => {
    const shop = await newShop("one");

    const said = await shop.lockstep("one", [...words, ...PRODUCTION], { ...call, answer: "yes" });

    expect(said.exit).toBe(24);
    expect(said.err).not.toContain("Type yes");
  });
});

describe("a rollback", () => {
  it("makes the release before live again, and answers with it", async () => {
    const shop = await newShop("one", "two");
    const one = await shop.lockstep("one", DEPLOY);
    const two = await shop.lockstep("two", DEPLOY);

    const back = await shop.lockstep("two", ["rollback", "-y", ...PRODUCTION]);

    expect(two.out).not.toBe(one.out);
    expect(back).toMatchObject({ exit: 0, out: one.out });
    expect(back.err).toContain(`✔ Rolled back. Release ${one.out.trim()} is live in production.`);
    expect(await liveIn(shop)).toEqual(["one", "one"]);
  });
});

describe("a program that reads the answer", () => {
  it("gets one document with json, and stderr stays empty", async () => {
    const shop = await newShop("one");

    const said = await shop.lockstep("one", [...DEPLOY, "--output", "json"]);

    expect(said.err).toBe("");
    expect(said.out.trim().split("\n")).toHaveLength(1);
    const { release } = documentOf(said);
    expect(documentOf(said)).toEqual({
      run: expect.stringMatching(/^production-/) as string,
      release: expect.stringMatching(/^\d{8}T/) as string,
      result: "done",
      exit: 0,
      live: {
        web: ["web-1", "web-2"].map((unit) => ({ unit, ref: { content: "one", release } })),
      },
      targets: ["web"],
      diagnostics: [],
      skewMs: expect.any(Number) as number,
    });
  });

  it.each([
    [["deploy", "-y", ...PRODUCTION], 31, "rolled-back", "CHECK_FAILED"],
    [["deploy", "-y", "-e", "prod"], 2, "error", "ENVIRONMENT_UNKNOWN"],
    [["deploy", "--evn", "production"], 2, "error", "USAGE"],
    [["recover", "-t", "web", ...PRODUCTION], 2, "error", "USAGE"],
  ])("gets a document of %j too, and one line for people", async (words, exit, result, code) => {
    const shop = await newShop("broken");

    const said = await shop.lockstep("broken", [...words, "--output", "json"]);

    expect(said.exit).toBe(exit);
    expect(documentOf(said)).toMatchObject({ result, exit, diagnostics: [{ code }] });
    expect(said.err).toMatch(new RegExp(`^${code} .*\n$`));
  });

  it("gets every event with ndjson, the result last", async () => {
    const shop = await newShop("one");

    const { out } = await shop.lockstep("one", [...DEPLOY, "--output", "ndjson"]);

    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; seq?: number });
    expect(lines.at(-1)).toMatchObject({ type: "result", result: "done" });
    expect(lines.slice(0, -1).map(({ seq }) => seq)).toEqual([...lines.keys()].slice(0, -1));
  });

  it("gets the same events in the file of --events, which only its owner may read", async () => {
    const shop = await newShop("one");
    const file = join(shop.folder, "events.ndjson");
    await writeFile(file, "", { mode: 0o666 });

    const { out } = await shop.lockstep("one", [
      ...DEPLOY,
      "--output",
      "ndjson",
      "--events",
      "events.ndjson",
    ]);
    const unwritable = await shop.lockstep("one", [...DEPLOY, "--events", "no/such/folder"]);

    const events = out.trim().split("\n").slice(0, -1);
    expect((await readFile(file, "utf8")).trim().split("\n")).toEqual(events);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(unwritable).toMatchObject({ exit: 2 });
    expect(unwritable.err).toContain("ENOENT");
  });

  it("gets plan, status, history and explanations as data", async () => {
    const shop = await newShop("one");
    const json = async (...words: readonly string[]): Promise<unknown> =>
      documentOf(await shop.lockstep("one", [...words, "--output", "json"]));

    expect(await json("plan", ...PRODUCTION)).toMatchObject({ plan: { kind: "deploy" } });
    const { run } = (await json(...DEPLOY)) as { run: string };
    expect(await json("status", ...PRODUCTION)).toMatchObject({
      drift: [],
      live: { web: [{}, {}] },
    });
    expect(await json("history", ...PRODUCTION)).toMatchObject([{ run, result: "done" }]);
    expect(await json("explain", run)).toMatchObject({
      run,
      records: { 0: { type: "run.begin" } },
    });
    expect(await json("explain", "LEASE_HELD")).toMatchObject({ code: "LEASE_HELD" });
  });
});

describe("looking", () => {
  it("at a plan gives the same bytes whatever reads them", async () => {
    const shop = await newShop("one");
    const envs = [{}, { CI: "true" }, { FORCE_COLOR: "1" }, { TERM: "linux" }];

    const outs = [];
    for (const env of envs) {
      const { out } = await shop.lockstep("one", ["plan", ...PRODUCTION], { env });
      outs.push(out.replace(/\d{8}T\S+/, "R"));
    }

    expect(new Set(outs).size).toBe(1);
    expect(outs[0]).toContain("activate  web-1: point web-1 at one");
    expect(outs[0]).not.toContain("\u001b");
  });

  it("tells with --detailed-exit-code that changes are pending, and that something drifted", async () => {
    const shop = await newShop("one");
    const exitOf = async (verb: string): Promise<number> =>
      (await shop.lockstep("one", [verb, ...PRODUCTION, "--detailed-exit-code"])).exit;

    const pending = await exitOf("plan");
    await shop.lockstep("one", DEPLOY);
    const settled = [await exitOf("plan"), await exitOf("status")];
    const world = join(shop.folder, "world.json");
    const text = await readFile(world, "utf8");
    await writeFile(
      world,
      text.replace(/"live":\{[^}]*\}/, '"live":{"release":"fix","content":"fix"}'),
    );
    const status = await shop.lockstep("one", ["status", ...PRODUCTION]);

    expect([pending, ...settled, await exitOf("status")]).toEqual([40, 0, 0, 41]);
    expect(status.out).toMatch(/web +web-1 +fix +\S+ +drift: deployed was \d{8}T/);
  });

  it("at the status shows what cannot be read, and ends with 21", async () => {
    const shop = await newShop("unreadable");

    const { exit, out, err } = await shop.lockstep("unreadable", ["status", ...PRODUCTION]);

    expect(exit).toBe(21);
    expect(out).toMatch(/web +\? +could not be read: UNEXPECTED/);
    expect(err).toContain("no route");
  });

  it("at the history shows the newest run first, with its message", async () => {
    const shop = await newShop("one", "broken");
    await shop.lockstep("one", [...DEPLOY, "-m", "first edition"]);
    await shop.lockstep("broken", DEPLOY);
    const history = async (...words: string[]): Promise<string[]> =>
      (await shop.lockstep("one", ["history", ...PRODUCTION, ...words])).out.trim().split("\n");

    const [head, newest, oldest, ...none] = await history();

    expect(head).toMatch(/^RUN +WHAT +RELEASE +RESULT/);
    expect(newest).toContain("rolled-back");
    expect(oldest).toMatch(/ done .* first edition$/);
    expect(none).toEqual([]);
    const [, only, ...more] = await history("--limit", "1");
    expect(only?.split(/ +/)).toEqual(newest?.split(/ +/)); // columns are as wide as their rows need
    expect(more).toEqual([]);
  });
});

describe("explain", () => {
  it("knows the codes of core, plugins and command line, in any case", async () => {
    const shop = await newShop("one");
    const said = [];
    for (const code of ["LEASE_HELD", "step_conflict", "USAGE"]) {
      said.push(await shop.lockstep("one", ["explain", code]));
    }

    for (const { exit, out } of said) {
      expect(exit).toBe(0);
      expect(out).toMatch(/^[A-Z_]+\n\nWhen {2}\S.*\nWhy {3}\S.*\nFix {3}\S.*\n$/);
    }
  });

  it("names the nearest code for one that it does not know", async () => {
    const said = await lockstep(["explain", "LEASE_HLED"], { cwd: "/" });

    expect(said).toMatchObject({ exit: 2, out: "" });
    expect(said.err).toContain('Did you mean "LEASE_HELD"?');
  });

  it("tells what a run did, and which runs it does not know", async () => {
    const shop = await newShop("broken");
    const { err } = await shop.lockstep("broken", DEPLOY);
    const run = /explain (\S+)/.exec(err)?.[1] ?? "";

    const story = await shop.lockstep("broken", ["explain", run]);
    const unknown = await shop.lockstep("broken", ["explain", "production-000099-00000000"]);

    const told = [
      "deploy of release",
      "everything is staged",
      "fail web/check:web-2, wanted status 200",
      "decided to abort",
      "put back web/activate:web-2: restored",
      "ended: rolled-back",
    ];
    const places = told.map((text) => story.out.indexOf(text));
    expect(places).toEqual(places.toSorted((left, right) => left - right));
    expect(places[0]).toBeGreaterThan(0);
    expect(unknown.exit).toBe(2);
  });
});

describe("a signal", () => {
  it.each([130, 143] as const)(
    "before anything was changed ends a command with %d",
    async (stopExit) => {
      const shop = await newShop("one");
      const stop = new AbortController();
      stop.abort();

      const plan = await shop.lockstep("one", ["plan", ...PRODUCTION, "--output", "json"], {
        stop: stop.signal,
        stopExit,
      });

      expect(plan.exit).toBe(stopExit);
      expect(documentOf(plan)).toMatchObject({ result: "interrupted", exit: stopExit });
    },
  );

  it("during a deploy ends it safely, and the answer has the exit code of the signal", async () => {
    const shop = await newShop("one");
    const stop = new AbortController();
    stop.abort();

    const said = await shop.lockstep("one", [...DEPLOY, "--output", "json"], {
      stop: stop.signal,
      stopExit: 143,
    });

    expect(said.exit).toBe(143);
    expect(documentOf(said)).toMatchObject({ result: "interrupted", exit: 143 });
    expect(await liveIn(shop)).toEqual([undefined, undefined]);
  });
});
