import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, symlink, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProgram } from "../src/program.ts";
import { newRelease } from "../src/release.ts";
import type { Shell } from "../src/shell.ts";

const PACKAGES = fileURLToPath(new URL("../../../packages", import.meta.url));
const CLI = fileURLToPath(new URL("..", import.meta.url));

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-cli-"));
  await mkdir(join(folder, "node_modules/@lockstep"), { recursive: true });
  await symlink(CLI, join(folder, "node_modules/lockstep"));
  await symlink(join(PACKAGES, "testkit"), join(folder, "node_modules/@lockstep/testkit"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  await configure();
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A project with two units in memory that are kept in a file, so that every command finds them. */
async function configure(more = "", check = "pass"): Promise<void> {
  const text = `
    import { defineConfig, localStore } from "lockstep";
    import { memoryTarget, MemoryWorld } from "@lockstep/testkit";
    const world = new MemoryWorld(["web-1", "web-2"], ${JSON.stringify(join(folder, "world.json"))});
    world.answer = (unit, live) => ({ status: live?.content === "bad" ? "${check}" : "pass", wanted: "200", found: "500" });
    const content = process.env.CONTENT ?? "one";
    export default defineConfig({ project: "shop", environments: { production: { ${more}
      store: localStore(), targets: { web: memoryTarget({ world, content }) } } } });
  `;
  await writeFile(join(folder, "lockstep.config.mjs"), text);
}

interface Said {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the program in a process of its own, from source. */
function lockstep(words: readonly string[], env: Readonly<Record<string, string>> = {}): Said {
  const main = join(CLI, "src/main.ts");
  const script = `exec "$0" --conditions=@lockstep/source "$@" 2>"${join(folder, "stderr")}" </dev/null`;
  let [exit, out] = [0, ""];
  try {
    const options = {
      cwd: folder,
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: folder, ...env },
    } as const;
    out = execFileSync("sh", ["-c", script, process.execPath, main, ...words], options);
  } catch (error) {
    const failed = error as { readonly status: number; readonly stdout: string };
    [exit, out] = [failed.status, failed.stdout];
  }
  return { exit, out, err: execFileSync("cat", [join(folder, "stderr")], { encoding: "utf8" }) };
}

describe("words that are wrong", () => {
  const said = { out: "", err: "" };
  const shell: Shell = {
    argv: [],
    env: {},
    cwd: "/nowhere",
    nodeVersion: "24.0.0",
    machine: "desk",
    stop: new AbortController().signal,
    stderr: process.stderr,
    canAsk: false,
    isLive: false,
    columns: 80,
    user: () => "ada",
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    ask: async () => "yes",
  };

  it.each([
    [["deploy", "--evn", "production"], "Did you mean --env?"],
    [["deplyo"], "Did you mean deploy?"],
    [["deploy", "production"], "too many arguments"],
    [
      ["deploy", "-e", "production", "--lock-wait", "5 minutes"],
      "Times are written 90s, 5m or 1h.",
    ],
    [["history", "-e", "production", "--limit", "0"], "whole number from 1"],
    [["plan", "--output", "yaml"], "Allowed choices are text, json, ndjson"],
  ])("%j end with 2 and nothing done", async (argv, message) => {
    said.err = "";

    const exit = await runProgram({ ...shell, argv });

    expect(exit).toBe(2);
    expect(said.err).toContain(message);
  });

  it("name the environments when none is named", async () => {
    const { exit, err } = lockstep(["deploy"]);

    expect(exit).toBe(2);
    expect(err).toContain("Use --env with one of: production.");
  });
});

describe("a project", () => {
  it("is planned, deployed, looked at, changed and rolled back", () => {
    const plan = lockstep(["plan", "-e", "production", "--detailed-exit-code"]);
    const first = lockstep(["deploy", "-e", "production", "-y"]);
    const again = lockstep(["deploy", "-e", "production", "-y"]);
    const second = lockstep(["deploy", "-e", "production", "-y", "-m", "edition 2"], {
      CONTENT: "two",
    });
    const status = lockstep(["status", "-e", "production"], { CONTENT: "two" });
    const back = lockstep(["rollback", "-e", "production", "-y"], { CONTENT: "two" });
    const history = lockstep(["history", "-e", "production"]);

    expect([plan.exit, plan.out]).toEqual([
      40,
      expect.stringContaining("1 target to change, 0 unchanged."),
    ]);
    expect([first.exit, first.out]).toEqual([
      0,
      expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{8}\n$/),
    ]);
    expect(first.err).toContain("✔ [web web-1] stage one on web-1");
    expect([again.exit, again.out]).toEqual([0, ""]);
    expect(again.err).toContain("Nothing to do in production.");
    expect(second.exit).toBe(0);
    expect(status.out).toContain(second.out.trim());
    expect([back.exit, back.out]).toEqual([0, first.out]);
    expect(history.out.trim().split("\n")).toHaveLength(4);
  }, 30_000);

  it("answers with one JSON document, and tells all events to a file that only its owner reads", async () => {
    const { exit, out, err } = lockstep([
      "deploy",
      "-e",
      "production",
      "-y",
      "--output",
      "json",
      "--events",
      "events.ndjson",
    ]);
    const lines = (await readFile(join(folder, "events.ndjson"), "utf8")).trim().split("\n");

    expect([exit, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      result: "done",
      exit: 0,
      diagnostics: [],
      targets: ["web"],
    });
    expect(lines.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual(
      lines.map((_, index) => index),
    );
    expect((await stat(join(folder, "events.ndjson"))).mode & 0o777).toBe(0o600);
  });

  it("streams events on stdout with ndjson, the result last", () => {
    const { out } = lockstep(["deploy", "-e", "production", "-y", "--output", "ndjson"]);
    const types = out
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type);

    expect(types[0]).toBe("plan.finished");
    expect(types.at(-1)).toBe("result");
  });

  it("has the same bytes on stdout whatever is detected", () => {
    const seen = [
      {},
      { CI: "true" },
      { GITHUB_ACTIONS: "true" },
      { FORCE_COLOR: "1" },
      { CLAUDECODE: "1" },
    ].map((env) =>
      lockstep(["plan", "-e", "production", "--output", "text"], env).out.replace(
        /release \S+/,
        "release X",
      ),
    );

    expect(new Set(seen).size).toBe(1);
    expect(seen[0]).not.toMatch(/\p{Cc}\[/u);
  }, 20_000);

  it("is put back when its check fails, exit 31, and its story can be told", async () => {
    await configure("", "fail");
    lockstep(["deploy", "-e", "production", "-y"]);

    const { exit, out, err } = lockstep(["deploy", "-e", "production", "-y"], { CONTENT: "bad" });
    const run = /lockstep explain (\S+)/.exec(err)?.[1] ?? "";
    const story = lockstep(["explain", run, "-e", "production"]);

    expect([exit, out]).toEqual([31, ""]);
    expect(err).toContain("CHECK_FAILED  web web-1: ask web-1: wanted 200, found 500.");
    expect(story.out).toContain("decision      abort: ask web-1: wanted 200, found 500.");
  }, 20_000);

  it("is not changed without a yes, and a protected one not without its name", async () => {
    const unasked = lockstep(["deploy", "-e", "production"]);
    await configure("protected: true,");
    const unnamed = lockstep(["deploy", "-e", "production", "-y"]);
    const named = lockstep(["deploy", "-e", "production", "--confirm", "production"]);

    expect([unasked.exit, unasked.err]).toEqual([24, expect.stringContaining("Add -y")]);
    expect([unnamed.exit, unnamed.err]).toEqual([
      24,
      expect.stringContaining("--confirm production"),
    ]);
    expect(named.exit).toBe(0);
  }, 20_000);

  it("says what drifted, exit 41 on request", async () => {
    lockstep(["deploy", "-e", "production", "-y"]);
    const file = join(folder, "world.json");
    const text = await readFile(file, "utf8");
    await writeFile(
      file,
      text.replace(/"live":\{[^}]*\}/, '"live":{"release":"fix","content":"fix"}'),
    );

    const { exit, out } = lockstep(["status", "-e", "production", "--detailed-exit-code"]);

    expect([exit, out]).toEqual([
      41,
      expect.stringMatching(/web {5}web-1 {2}fix .*drift: deployed was/),
    ]);
  });

  it("explains every code, and knows near misses", () => {
    const known = lockstep(["explain", "RUN_OPEN"]);
    const unknown = lockstep(["explain", "RUN_OPN"]);

    expect([known.exit, known.out]).toEqual([
      0,
      expect.stringMatching(/^RUN_OPEN\n\nWhen {2}.*\nWhy {3}.*\nFix {3}.*\n$/),
    ]);
    expect([unknown.exit, unknown.err]).toEqual([
      2,
      expect.stringContaining('Did you mean "RUN_OPEN"?'),
    ]);
  });
});

describe("a release", () => {
  it("is named after the time and the commit, and grows with commits", async () => {
    const git = (...words: string[]): string =>
      execFileSync("git", ["-C", folder, ...words], { encoding: "utf8" });
    const time = new Date("2026-11-21T10:15:00.123Z");
    const before = await newRelease(folder, time);
    git("init", "-q");
    git(
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@b.c",
      "commit",
      "-q",
      "--allow-empty",
      "-m",
      "first",
    );

    const after = await newRelease(folder, time);

    expect(before).toEqual({
      id: expect.stringMatching(/^20261121T101500Z-[0-9a-f]{8}$/) as string,
      createdAt: "2026-11-21T10:15:00.123Z",
    });
    expect(after.commit).toBe(git("rev-parse", "HEAD").trim());
    expect(after.id).toBe(`20261121T101500Z-${after.commit?.slice(0, 8) ?? ""}`);
    expect(after.order).toBeGreaterThan(1_700_000_000);
  });
});
