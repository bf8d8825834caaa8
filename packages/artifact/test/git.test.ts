import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { type Artifact, readSource, type SourceOptions, tarStream } from "@lockstep/artifact";
import { describe, expect, it } from "vitest";
import { answerReader } from "../src/blob-answers.ts";
import { blobBatch } from "../src/blob-batch.ts";
import { blobReader } from "../src/blobs.ts";
import { bytesOf, type Content, failure, folder, put, read, variable } from "./folder.ts";

const WHO = [
  "-c",
  "core.safecrlf=false",
  "-c",
  "user.name=Test",
  "-c",
  "user.email=test@example.com",
];
/** Where git is, for programs that stand in its place. */
const GIT = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();

function git(root: string, ...words: string[]): string {
  return execFileSync("git", ["-C", root, ...WHO, ...words], { encoding: "utf8" }).trim();
}

/** A repository whose only commit holds these files. */
function repository(contents: Readonly<Record<string, Content>>): string {
  const root = folder(contents);
  git(root, "init", "-q");
  commit(root);
  return root;
}

function commit(root: string): void {
  git(root, "add", "-A", "-f");
  git(root, "commit", "-q", "-m", "A commit");
}

function committed(
  root: string,
  {
    git: revision = "HEAD",
    directory,
    ...options
  }: Partial<SourceOptions> & {
    git?: string;
    directory?: string;
  } = {},
): Promise<Artifact> {
  const source = { git: revision, ...(directory !== undefined && { directory }) };
  return readSource(source, { folder: root, ...options });
}

const paths = ({ manifest }: Artifact): string[] => manifest.map(({ path }) => path);

const sample = {
  "a.txt": "abc",
  "bin/run": { program: "#!/bin/sh\n" },
  latest: { link: "a.txt" },
  "s p/ü/ö.txt": "umlaut",
  big: Buffer.alloc(1_500_000, "0123456789"),
  none: "",
} as const;

describe("a git source", () => {
  it("is the same artifact as a directory with the same content", async () => {
    const root = repository(sample);

    const fromGit = await committed(root);
    const fromDirectory = await read(root, { allow: ["root"] });

    expect(fromGit.manifest).toEqual(fromDirectory.manifest);
    expect(fromGit.digest).toBe(fromDirectory.digest);
  });

  it("holds what was committed, whatever the working tree holds", async () => {
    const root = repository(sample);
    const { digest } = await committed(root);

    put(`${root}/untracked`, "x");
    put(`${root}/a.txt`, "changed");
    chmodSync(`${root}/bin/run`, 0o644);
    rmSync(`${root}/s p`, { recursive: true });

    expect((await committed(root)).digest).toBe(digest);
    commit(root);
    expect((await committed(root)).digest).not.toBe(digest);
    expect((await committed(root, { git: "HEAD~1" })).digest).toBe(digest);
  });

  it("is not changed by filters, line ends or replaced objects", async () => {
    const root = repository({
      ".gitattributes": "* text eol=crlf\n*.txt ident\n",
      "a.txt": "$Id$\n",
    });
    const { digest } = await committed(root);
    put(`${root}/other`, "y");
    git(root, "add", "other");

    git(root, "replace", git(root, "rev-parse", "HEAD:a.txt"), git(root, "rev-parse", ":other"));

    const artifact = await committed(root);
    expect(artifact.digest).toBe(digest);
    expect((await bytesOf(artifact.open("a.txt"))).toString()).toBe("$Id$\n");
  });

  it("begins at the folder of the config, or at a directory of it", async () => {
    const root = repository({ "app/dist/a": "", "app/dist/d/b": "", "app/c": "", "lib/d": "" });

    expect(paths(await committed(root, { directory: "app/dist/" }))).toEqual(["a", "d", "d/b"]);
    expect(paths(await committed(`${root}/app`))).toEqual([
      "c",
      "dist",
      "dist/a",
      "dist/d",
      "dist/d/b",
    ]);
    expect(paths(await committed(`${root}/app`, { directory: "./dist/d" }))).toEqual(["b"]);
    expect(paths(await committed(`${root}/app`, { directory: "../lib" }))).toEqual(["d"]);
  });

  it("follows the ignore file of the commit and the rules of the config", async () => {
    const root = repository({ ".lockstepignore": "*.md\n", "a.md": "", "b.js": "", "c.js": "" });
    put(`${root}/.lockstepignore`, "*");

    expect(paths(await committed(root, { exclude: ["c.js"] }))).toEqual(["b.js"]);
  });

  it("passes the same guards as a directory", async () => {
    const root = repository({
      ".env": "A=1",
      out: { link: "/etc" },
      "back\\slash": "",
      A: "",
      a: "",
    });

    const { code, message } = await failure(committed(root));

    expect(code).toBe("SOURCE_REFUSED");
    expect(message.split("\n")).toEqual([
      "The source . in HEAD has 4 entries that must not be deployed:",
      '  "back\\\\slash": its name holds a backslash (names)',
      "  .env: it is an environment file (secrets)",
      "  a: it is the same name as A where case or Unicode form do not count (twins)",
      "  out: it points to the absolute path /etc (links)",
    ]);
  });

  it("shows names that are not UTF-8", async () => {
    const root = repository({ ok: "" });
    const object = git(root, "rev-parse", "HEAD:ok");
    const name = Buffer.concat([Buffer.from(`100644 blob ${object}\td/`), Buffer.from([0xff])]);
    execFileSync("git", ["-C", root, "update-index", "-z", "--index-info"], {
      input: Buffer.concat([name, Buffer.alloc(1)]),
    });
    git(root, "commit", "-q", "-m", "Bytes");

    const { message } = await failure(committed(root));

    expect(message).toMatch(/"d\/\\xff": its name is not valid UTF-8 \(names\)/);
  });

  it("refuses submodules, and leaves them out when the guard is switched off", async () => {
    const root = repository({ a: "" });
    const entry = `160000,${git(root, "rev-parse", "HEAD")},vendor/lib`;
    git(root, "update-index", "--add", "--cacheinfo", entry);
    git(root, "commit", "-q", "-m", "A submodule");

    expect((await failure(committed(root))).message).toMatch(
      /\n {2}vendor\/lib: it is a submodule, whose files are in another repository \(special\)$/,
    );
    expect(paths(await committed(root, { allow: ["special"] }))).toEqual(["a", "vendor"]);
  });

  it("can be read again and streamed, small files and large ones", async () => {
    const root = repository(sample);
    const artifact = await committed(root);

    expect((await bytesOf(artifact.open("a.txt"))).toString()).toBe("abc");
    expect((await bytesOf(artifact.open("big"))).equals(sample.big)).toBe(true);
    expect((await bytesOf(artifact.open("none"))).length).toBe(0);
    const fromDirectory = await read(root, { allow: ["root"] });
    expect(
      (await bytesOf(tarStream(artifact))).equals(await bytesOf(tarStream(fromDirectory))),
    ).toBe(true);
  });

  it("reads many files through few programs", async () => {
    const files = Array.from({ length: 200 }, (_, n) => [`d${n % 10}/f${n}`, `content ${n}`]);
    const root = repository(Object.fromEntries(files) as Record<string, string>);
    const counting = folder({
      git: { program: `#!/bin/sh\necho started >>"\${0%/*}/log"\nexec ${GIT} "$@"\n` },
    });
    variable("PATH", `${counting}:/usr/bin:/bin`);

    const artifact = await committed(root);
    await bytesOf(tarStream(artifact));

    expect(artifact.files).toBe(200);
    expect(readFileSync(`${counting}/log`, "utf8").split("\n").length).toBeLessThan(12);
  });

  it("stops when it is told to", async () => {
    const root = repository(sample);

    await expect(committed(root, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    const artifact = await committed(root);
    const control = new AbortController();
    const reading = artifact.open("big", { signal: control.signal })[Symbol.asyncIterator]();
    await reading.next();
    control.abort(new Error("enough"));
    await expect(reading.next()).rejects.toThrow("enough");
  });
});

describe("a git source that is not there", () => {
  it("has no git", async () => {
    const root = repository({ a: "" });
    variable("PATH", folder());

    const { code, message } = await failure(committed(root));

    expect(code).toBe("GIT_MISSING");
    expect(message).toBe("The source is a git commit, and git is not installed here.");
  });

  it("has no repository", async () => {
    const root = folder();

    const { code, message } = await failure(committed(root));

    expect(code).toBe("GIT_REPOSITORY_MISSING");
    expect(message).toBe(
      `${root} is in no git repository that can be read: fatal: not a git repository (or any of the parent directories): .git.`,
    );
  });

  it("has no folder", async () => {
    expect((await failure(committed(`${folder()}/missing`))).code).toBe("GIT_REPOSITORY_MISSING");
  });

  it.each(["v9", "", "--help", "-n1", "--since=2020", "HEAD:a", "HEAD a"])(
    "has no commit %j",
    async (revision) => {
      const root = repository({ a: "" });

      const { code, message } = await failure(committed(root, { git: revision }));

      expect(code).toBe("GIT_REVISION_MISSING");
      expect(message).toBe(`The git repository of ${root} has no commit "${revision}".`);
    },
  );

  it("has no commit yet", async () => {
    const root = folder();
    git(root, "init", "-q");

    expect((await failure(committed(root))).code).toBe("GIT_REVISION_MISSING");
  });

  it.each(["dist", "../..", "..", "a\nb", "a"])("has no directory %j", async (directory) => {
    const root = repository({ a: "" });

    const { code, message } = await failure(committed(root, { directory }));

    expect(code).toBe("GIT_REVISION_MISSING");
    expect(message).toMatch(/^The git repository of .* has no directory /);
  });
});

describe("git as a store of blobs", () => {
  const missing = "0".repeat(39).concat("1");

  it("says when it lacks an object, and goes on afterwards", async () => {
    const root = repository({ a: "abc" });
    const batch = blobBatch(root);
    const object = git(root, "rev-parse", "HEAD:a");

    const { code } = await failure(batch.get({ object: missing, size: 3 }));

    expect(code).toBe("GIT_FAILED");
    expect((await batch.get({ object, size: 3 })).toString()).toBe("abc");
  });

  it("says when a large object is missing", async () => {
    const blobs = blobReader(repository({ a: "abc" }));

    const { code, message } = await failure(
      bytesOf(blobs.read({ object: missing, size: 2_000_000 })),
    );

    expect(code).toBe("GIT_FAILED");
    expect(message).toBe(`\`git cat-file blob ${missing}\` failed: it ended with 128.`);
  });

  it("says when git is gone", async () => {
    const blobs = blobReader(repository({ a: "abc" }));
    variable("PATH", folder());

    expect((await failure(bytesOf(blobs.read({ object: missing, size: 3 })))).code).toBe(
      "GIT_MISSING",
    );
    expect((await failure(bytesOf(blobs.read({ object: missing, size: 2_000_000 })))).code).toBe(
      "GIT_MISSING",
    );
  });

  it("answers many questions at once, in any sizes", async () => {
    const sizes = [1, 127, 128, 129, 65_535, 65_536, 65_537, 500_000, 1_048_576];
    const root = repository(
      Object.fromEntries(sizes.map((size) => [`f${size}`, Buffer.alloc(size, `${size}\n`)])),
    );
    const batch = blobBatch(root);

    const answers = await Promise.all(
      sizes.map((size) => batch.get({ object: git(root, "rev-parse", `HEAD:f${size}`), size })),
    );

    expect(
      answers.every((bytes, n) => bytes.equals(Buffer.alloc(sizes[n] ?? 0, `${sizes[n]}\n`))),
    ).toBe(true);
  });

  it("takes answers that come in any pieces", () => {
    const object = "a".repeat(40);
    const output = Buffer.from(`${object} blob 3\nabc\n${object} blob 0\n\n`);

    for (let at = 0; at < output.length; at++) {
      const answers = answerReader();
      answers.add(output.subarray(0, at));
      const early = answers.take({ object, size: 3 });
      answers.add(output.subarray(at));

      expect((early ?? answers.take({ object, size: 3 }))?.toString()).toBe("abc");
      expect(answers.take({ object, size: 0 })?.toString()).toBe("");
      expect(answers.take({ object, size: 0 })).toBeUndefined();
    }
  });

  it("knows an answer it did not ask for, however it comes", () => {
    const object = "a".repeat(40);
    const output = Buffer.from(`${object} missing\n`);

    for (let at = 1; at < output.length; at++) {
      const answers = answerReader();
      answers.add(output.subarray(0, at));
      answers.add(output.subarray(at));
      expect(answers.take({ object, size: 1_000_000 })).toBe("unexpected");
    }
  });

  it("ends when nothing is asked any more", async () => {
    const root = repository({ a: "abc" });
    const object = git(root, "rev-parse", "HEAD:a");
    const programs = folder({
      git: { program: `#!/bin/sh\n${GIT} "$@"\necho ended >"\${0%/*}/log"\n` },
    });
    variable("PATH", `${programs}:/usr/bin:/bin`);

    await blobBatch(root).get({ object, size: 3 });

    await expect.poll(() => existsSync(`${programs}/log`), { timeout: 5000 }).toBe(true);
  });

  it("is started again after it was idle", async () => {
    const root = repository({ a: "abc" });
    const batch = blobBatch(root);
    const blob = { object: git(root, "rev-parse", "HEAD:a"), size: 3 };

    await batch.get(blob);
    await new Promise((done) => setTimeout(done, 150));

    expect((await batch.get(blob)).toString()).toBe("abc");
  });
});
