import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  type Artifact,
  type Digest,
  type Manifest,
  manifestDigest,
  tarStream,
} from "@lockstep/artifact";
import { describe, expect, it } from "vitest";
import { memberHead } from "../src/tar-header.ts";
import { bytesOf, failure, folder, put, read } from "./folder.ts";

const TARS = [
  ["GNU tar", ["tar"]],
  ["busybox", ["busybox", "tar"]],
  ["toybox", ["toybox", "tar"]],
] as const;

/** Runs a tar with the archive as its input. */
function tar(program: readonly string[], words: readonly string[], archive: Uint8Array): string {
  const [first = "", ...rest] = program;
  return execFileSync(first, [...rest, ...words], {
    input: archive,
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC" },
    stdio: "pipe",
  });
}

/** An artifact whose bytes are made up. */
function invented(manifest: Manifest, open: Artifact["open"]): Artifact {
  return { manifest, digest: manifestDigest(manifest), files: 0, bytes: 0, open };
}

const small = {
  empty: { directory: true },
  "index.html": "<h1>Lockstep</h1>\n",
  "bin/run": { program: "#!/bin/sh\n" },
  latest: { link: "index.html" },
} as const;

describe("the archive of an artifact", () => {
  it("has these bytes, today and in every later version", async () => {
    const archive = await bytesOf(tarStream(await read(folder(small))));

    expect(archive.length).toBe(4608);
    expect(createHash("sha256").update(archive).digest("hex")).toBe(
      "00ef32a5a18a4b21f2063aa3304eebd971594deec5346ec13f70f9dec086235e",
    );
  });

  it("is what GNU tar writes for the same tree", async () => {
    const long = { [`${"d".repeat(99)}/${"f".repeat(120)}`]: { link: "t".repeat(101) } };
    const root = folder({ ...small, ...long });
    const words = ["--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"];
    const names = ["bin", "d".repeat(99), "empty", "index.html", "latest"];

    const archive = await bytesOf(tarStream(await read(root)));

    const byTar = execFileSync("tar", [
      ...words,
      "--mtime=@0",
      "-b1",
      "-C",
      root,
      "-cf-",
      ...names,
    ]);
    expect(tar(["tar"], ["-tvf-", "--full-time"], archive)).toBe(
      tar(["tar"], ["-tvf-", "--full-time"], byTar),
    );
    expect(archive.subarray(0, 512)).toEqual(byTar.subarray(0, 512));
    expect(archive.equals(byTar)).toBe(true);
  });

  it("ends with two blocks of zeros and is nothing else when the artifact is empty", async () => {
    const archive = await bytesOf(tarStream(await read(folder())));

    expect(archive.equals(Buffer.alloc(1024))).toBe(true);
  });

  it("is the same for equal artifacts", async () => {
    const first = await bytesOf(tarStream(await read(folder(small))));
    const second = await bytesOf(tarStream(await read(folder(small))));

    expect(first.equals(second)).toBe(true);
  });

  it("comes in pieces of limited size that belong to the receiver", async () => {
    const files = Array.from({ length: 300 }, (_, n) => [`f${n}`, Buffer.alloc(9000, n)]);
    const root = folder(Object.fromEntries(files) as Record<string, Uint8Array>);
    put(`${root}/large`, Buffer.alloc(3_000_000));
    const artifact = await read(root);

    const pieces: Uint8Array[] = [];
    for await (const piece of tarStream(artifact)) pieces.push(Buffer.from(piece), piece.fill(0));

    const [copies, originals] = [0, 1].map((odd) => pieces.filter((_, n) => n % 2 === odd));
    expect(Math.max(...(copies ?? []).map(({ length }) => length))).toBeLessThanOrEqual(
      1024 * 1024,
    );
    expect(originals?.length).toBeLessThan(30);
    expect(Buffer.concat(copies ?? []).equals(await bytesOf(tarStream(artifact)))).toBe(true);
  });
});

describe.each(TARS)("%s", (_, program) => {
  it("unpacks the archive to the same tree", async () => {
    const hostile = [
      "-rf",
      "$(reboot)",
      "a b",
      "it's",
      '"q"',
      "`x`",
      "*",
      "é日本👩‍💻",
      "#",
      "~",
      "n".repeat(255),
    ];
    const deep = `${"d".repeat(99)}/${"e".repeat(100)}/${"f".repeat(101)}`;
    const root = folder({
      ...small,
      "blocks/none": "",
      "blocks/one": Buffer.alloc(512, 1),
      "blocks/two": Buffer.alloc(513, 2),
      "blocks/large": Buffer.alloc(1_300_000, "0123456789"),
      [`${deep}/file`]: "deep",
      [`${deep}/short`]: { link: "file" },
      [`${deep}/long`]: { link: `../../../${deep}/file` },
      [`l${"i".repeat(98)}`]: "name of 99 bytes",
      [`l${"i".repeat(99)}`]: "name of 100 bytes",
      [`l${"i".repeat(100)}`]: "name of 101 bytes",
      to99: { link: `l${"i".repeat(98)}` },
      to100: { link: `l${"i".repeat(99)}` },
      to101: { link: `l${"i".repeat(100)}` },
    });
    for (const name of hostile) put(join(root, "names", name), name);
    const artifact = await read(root);
    const there = folder();

    tar(program, ["-xf", "-", "-C", there], await bytesOf(tarStream(artifact)));

    expect((await read(there)).manifest).toEqual(artifact.manifest);
    expect(readdirSync(join(there, "empty"))).toEqual([]);
    expect(readlinkSync(join(there, deep, "long"))).toBe(`../../../${deep}/file`);
    expect(statSync(join(there, "bin/run")).mode & 0o7777).toBe(0o755);
    expect(statSync(join(there, "index.html")).mode & 0o7777).toBe(0o644);
  });

  it("unpacks trailers after all else", async () => {
    const artifact = await read(folder(small));
    const trailer = [
      { path: ".lockstep/manifest", body: Buffer.from("manifest") },
      { path: "t".repeat(150), body: Buffer.alloc(512, "x"), mode: 0o600 },
      { path: "zero", body: new Uint8Array() },
    ];
    const archive = await bytesOf(tarStream(artifact, { trailer }));
    const there = folder();

    tar(program, ["-xf", "-", "-C", there], archive);

    expect(tar(program, ["-tf", "-"], archive).trim().split("\n").slice(-3)).toEqual(
      trailer.map(({ path }) => path),
    );
    expect(statSync(join(there, "t".repeat(150))).mode & 0o7777).toBe(0o600);
    expect(statSync(join(there, "zero")).size).toBe(0);
  });
});

describe("a part of an artifact", () => {
  it("is sent when only some paths are wanted", async () => {
    const artifact = await read(folder(small));
    const only = new Set(["bin/run", "latest", "not in the manifest"]);

    const archive = await bytesOf(tarStream(artifact, { only }));

    expect(tar(["tar"], ["-tf-"], archive)).toBe("bin/run\nlatest\n");
  });

  it("may be nothing but the trailer", async () => {
    const artifact = await read(folder(small));
    const trailer = [{ path: "t", body: Buffer.from("x") }];

    const archive = await bytesOf(tarStream(artifact, { only: new Set(), trailer }));

    expect(tar(["tar"], ["-tf-"], archive)).toBe("t\n");
  });
});

describe("an archive of what changed meanwhile", () => {
  it.each([
    ["small", 3],
    ["large", 2_000_000],
  ])("ends in an error before its trailer, for a %s file", async (_, size) => {
    const root = folder({ a: Buffer.alloc(size, "x"), b: "b" });
    const artifact = await read(root);
    put(`${root}/a`, Buffer.alloc(size, "y"));
    const pieces: Uint8Array[] = [];

    const error = await failure(
      (async () => {
        const trailer = [{ path: "trailer", body: Buffer.from("TRAILER") }];
        for await (const piece of tarStream(artifact, { trailer })) pieces.push(piece);
      })(),
    );

    expect(error.code).toBe("SOURCE_CHANGED");
    expect(error.message).toMatch(/^a changed after the plan: sha256:/);
    expect(Buffer.concat(pieces).includes("TRAILER")).toBe(false);
  });

  it.each([1, 600_000])(
    "never holds more or less than the header says (%i bytes)",
    async (size) => {
      const entry = {
        type: "file",
        path: "a",
        mode: 0o644,
        size,
        digest: "sha256:" as Digest,
      } as const;
      const short = invented([entry], async function* () {});
      const long = invented([entry], async function* () {
        yield Buffer.alloc(size);
        yield Buffer.alloc(1);
      });
      const pieces: Uint8Array[] = [];
      const sent = async (): Promise<void> => {
        for await (const piece of tarStream(long)) pieces.push(piece);
      };

      expect((await failure(bytesOf(tarStream(short)))).code).toBe("SOURCE_CHANGED");
      expect((await failure(sent())).code).toBe("SOURCE_CHANGED");
      expect(Buffer.concat(pieces).length).toBeLessThanOrEqual(512 + size);
    },
  );

  it("is not begun when the signal says so", async () => {
    const artifact = await read(folder(small));
    const signal = AbortSignal.abort(new Error("enough"));

    await expect(bytesOf(tarStream(artifact, { signal }))).rejects.toThrow("enough");
  });
});

describe("the header of a file", () => {
  const head = (size: number): Buffer => memberHead({ type: "file", path: "f", mode: 0o644, size });
  /** What GNU tar lists before it finds that the content is missing. */
  const listed = (size: number): string => {
    try {
      return tar(["tar"], ["-tvf-"], head(size));
    } catch (cause) {
      return (cause as { stdout: string }).stdout;
    }
  };

  it("says the size in octal below 8 GiB and in base 256 from there", () => {
    expect(head(8 ** 11 - 1).toString("latin1", 124, 136)).toBe("77777777777\0");
    expect([...head(8 ** 11).subarray(124, 136)]).toEqual([0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
  });

  it.each([8 ** 11 - 1, 8 ** 11, 5 * 1024 ** 4 + 7])(
    "is read right by GNU tar for %i bytes",
    (size) => {
      expect(listed(size)).toBe(`-rw-r--r-- 0/0 ${String(size).padStart(15)} 1970-01-01 00:00 f\n`);
    },
  );
});
