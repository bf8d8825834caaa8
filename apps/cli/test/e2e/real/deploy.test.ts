import { execFileSync } from "node:child_process";
import { mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownRig } from "./own-rig.ts";
import { ended, type Rig, serviceOf, type TestHost } from "./rig.ts";

let rig: Rig;

ownRig((made) => {
  rig = made;
});

/** Kind, mode, link target and digest of everything below a folder, sorted by path. */
function treeOf(folder: string): string {
  const script =
    "find . -mindepth 1 -printf '%P %y %m %l\\n' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
  return execFileSync("sh", ["-c", script], { cwd: folder, encoding: "utf8", maxBuffer: 64 << 20 });
}

async function writeManyFiles(folder: string): Promise<number> {
  let count = 0;
  for (let directory = 0; directory < 100; directory += 1) {
    const path = join(folder, `section-${directory}`);
    await mkdir(path, { recursive: true });
    const names = Array.from({ length: 101 }, (_, index) => `page ${index}.html`);
    await Promise.all(
      names.map((name) =>
        writeFile(join(path, name), `<p>${directory}/${name}</p>\n`, { mode: 0o644 }),
      ),
    );
    await symlink("page 0.html", join(path, "index.html"));
    count += names.length;
  }
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await symlink("section-1/../section-0", join(folder, "start"));
  // 755 for directories and what its owner may run, else 644
  execFileSync("chmod", ["-R", "u=rwX,go=rX", folder]);
  return count;
}

describe("a release of more than 10,000 files", () => {
  it("arrives on dash and busybox hosts as it is, and a second deploy of it changes nothing", async () => {
    const files = await writeManyFiles(rig.build);
    const source = treeOf(rig.build);
    // umasks differ between machines, releases do not
    execFileSync("chmod", [
      "-R",
      "u=rwX,go=",
      join(rig.build, "section-1"),
      join(rig.build, "run.sh"),
    ]);
    execFileSync("chmod", ["-R", "ug=rwX,o=rX", join(rig.build, "section-2")]);
    await rig.configure();

    const first = await rig.lockstep("deploy", "-e", "production", "-y");
    const trees = rig.hosts.map(({ root }) => treeOf(join(root, "current/")));
    const second = await rig.lockstep("deploy", "-e", "production", "-y");

    expect(files).toBeGreaterThanOrEqual(10_000);
    expect([first.exit, first.stderr]).toEqual([
      0,
      expect.stringContaining("is live in production"),
    ]);
    for (const tree of trees) expect(tree === source).toBe(true);
    expect([second.exit, second.stdout]).toEqual([0, first.stdout]);
    expect(second.stderr).toContain("Nothing to do in production.");
    await rm(rig.build, { recursive: true });
    await mkdir(rig.build);
  }, 120_000);
});

/** Reads two files of one release through one resolved `current`, over and over. */
class Reader {
  readonly polls: { readonly at: number; readonly content: string }[] = [];
  readonly errors: unknown[] = [];
  readonly #host: TestHost;
  #reading = true;

  constructor(host: TestHost) {
    this.#host = host;
    void this.#read();
  }

  end(): void {
    this.#reading = false;
  }

  async #read(): Promise<void> {
    const { root } = this.#host;
    while (this.#reading) {
      try {
        const folder = join(root, await readlink(join(root, "current")));
        const [a, b] = await Promise.all(
          ["a.txt", "b.txt"].map((name) => readFile(join(folder, name), "utf8")),
        );
        this.polls.push({ at: performance.now(), content: `${a}|${b}` });
      } catch (error) {
        this.errors.push(error);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

async function release(content: string, brokenOn = ""): Promise<void> {
  await Promise.all([
    writeFile(join(rig.build, "a.txt"), content),
    writeFile(join(rig.build, "b.txt"), content),
    writeFile(join(rig.build, "broken-on"), brokenOn),
  ]);
}

/** How many polls fell between the first and the last pointer move, as the readers saw them happen. */
function pollsAmidMoves(readers: readonly Reader[], since: readonly number[]): number {
  const polls = readers.map((reader, index) => reader.polls.slice(since[index]));
  const moves = polls.map((own) => own.find(({ content }) => content !== own[0]?.content)?.at);
  const seen = moves.filter((at) => at !== undefined);
  const [first, last] = [Math.min(...seen), Math.max(...seen)];
  return seen.length < readers.length
    ? 0
    : polls.flat().filter(({ at }) => at > first && at < last).length;
}

describe("a service on three hosts", () => {
  it("is seen old or new, never mixed and never missing, through deploy, failing deploy and rollback", async () => {
    await rig.configure("service: true");
    await release("one");
    expect((await rig.lockstep("deploy", "-e", "production", "-y")).exit).toBe(0);
    const [old] = await rig.links();
    const readers = rig.hosts.map((host) => new Reader(host));
    const between: number[] = [];
    const during = async (exit: number, ...words: string[]): Promise<string> => {
      const since = readers.map(({ polls }) => polls.length);
      const { exit: found, stderr } = await rig.lockstep(...words, "-e", "production", "-y");
      expect(found, stderr).toBe(exit);
      between.push(pollsAmidMoves(readers, since));
      return stderr;
    };

    await release("two");
    await during(0, "deploy");
    const live = await rig.links();
    await release("three", "web-2");
    const report = await during(31, "deploy");
    const afterFailure = await rig.links();
    const services = await Promise.all(rig.hosts.map(serviceOf));
    await during(0, "rollback");
    for (const reader of readers) reader.end();

    process.stdout.write(`polls between first and last pointer move: ${between.join(", ")}\n`);
    expect(between.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
    expect(readers.flatMap(({ errors }) => errors)).toEqual([]);
    const seen = new Set(readers.flatMap(({ polls }) => polls.map(({ content }) => content)));
    expect([...seen].toSorted()).toEqual(["one|one", "three|three", "two|two"]);
    expect(afterFailure).toEqual(live);
    expect(await rig.links()).toEqual([old, old, old]);
    for (const service of services) {
      expect(`releases/${service?.release ?? ""}`).toBe(live[0]);
      expect(service?.folder).toMatch(new RegExp(`${live[0] ?? "?"}$`));
    }
    expect(report).toMatch(/CHECK_FAILED {2}web-2 web-2: ask http:\/\/127\.0\.0\.1:\d+\/health/);
    expect(report).toMatch(/wanted 200 with \S+, found 500/);
  }, 120_000);
});

describe("two deploys at once", () => {
  it("end with one release live and the other refused, naming the holder", async () => {
    await rig.configure('restart: ["sleep", "2"]');
    await release("four");

    const both = await Promise.all([
      rig.lockstep("deploy", "-e", "production", "-y"),
      rig.lockstep("deploy", "-e", "production", "-y"),
    ]);

    const refused = both.find(({ exit }) => exit !== 0);
    const links = await rig.links();
    expect(new Set(both.map(({ exit }) => exit))).toEqual(new Set([0, 23]));
    expect(refused?.stderr).toMatch(
      /LEASE_HELD {2}production is held by run production-\d{6}-[0-9a-f]{8} \(/,
    );
    expect(links).toEqual(
      links.map(() => `releases/${both.find(({ exit }) => exit === 0)?.stdout.trim() ?? "?"}`),
    );
  }, 60_000);
});

describe("a machine on whose PATH is nothing, no ssh, tar, rsync or git", () => {
  it.each(["true", "false"])(
    "deploys and rolls back, with sshConfig: %s",
    async (sshConfig) => {
      await rig.configure(`sshConfig: ${sshConfig}`);
      const bare = async (...words: string[]): Promise<number | null> => {
        const child = rig.startWith({ env: { PATH: "/nowhere" } }, ...words, "-e", "production");
        return (await ended(child)).exit;
      };
      const live = async (): Promise<string[]> =>
        Promise.all(rig.hosts.map(({ root }) => readFile(join(root, "current/a.txt"), "utf8")));

      await release(`one ${sshConfig}`);
      expect(await bare("deploy", "-y")).toBe(0);
      await release(`two ${sshConfig}`);
      expect(await bare("deploy", "-y")).toBe(0);
      expect(await live()).toEqual(Array.from({ length: 3 }, () => `two ${sshConfig}`));
      expect(await bare("rollback", "-y")).toBe(0);
      expect(await live()).toEqual(Array.from({ length: 3 }, () => `one ${sshConfig}`));
    },
    120_000,
  );
});
