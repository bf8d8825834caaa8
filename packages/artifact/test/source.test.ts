import { chmodSync, linkSync, symlinkSync, utimesSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { manifestDigest } from "@lockstep/artifact";
import { describe, expect, it } from "vitest";
import { bytesOf, failure, folder, pathsOf, put, read } from "./folder.ts";

const ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

describe("the artifact of a directory", () => {
  it("holds files, programs, links and empty directories, in order", async () => {
    const root = folder({
      empty: { directory: true },
      "sub/abc.txt": "abc",
      "bin/run": { program: "abc" },
      latest: { link: "sub/abc.txt" },
      "sub/dangling": { link: "../missing" },
    });

    const artifact = await read(root);

    expect(artifact.manifest).toEqual([
      { type: "directory", path: "bin", mode: 0o755 },
      { type: "file", path: "bin/run", mode: 0o755, size: 3, digest: ABC },
      { type: "directory", path: "empty", mode: 0o755 },
      { type: "link", path: "latest", target: "sub/abc.txt" },
      { type: "directory", path: "sub", mode: 0o755 },
      { type: "file", path: "sub/abc.txt", mode: 0o644, size: 3, digest: ABC },
      { type: "link", path: "sub/dangling", target: "../missing" },
    ]);
    expect(artifact.digest).toBe(manifestDigest(artifact.manifest));
    expect(artifact.files).toBe(2);
    expect(artifact.bytes).toBe(6);
  });

  it("is the same whatever times, owners' rights and special bits files have", async () => {
    const first = folder({ a: "abc", run: { program: "abc" }, d: { directory: true } });
    const second = folder({ a: "abc", run: { program: "abc" }, d: { directory: true } });
    utimesSync(`${second}/a`, 1, 1);
    chmodSync(`${second}/a`, 0o6466);
    chmodSync(`${second}/run`, 0o4700);
    chmodSync(`${second}/d`, 0o1777);

    expect((await read(first)).digest).toBe((await read(second)).digest);
  });

  it("takes hard links for files of their own", async () => {
    const root = folder({ a: "abc" });
    linkSync(`${root}/a`, `${root}/b`);

    expect((await read(root)).manifest.map(({ type }) => type)).toEqual(["file", "file"]);
  });

  it("keeps every name that file systems allow and no guard refuses", async () => {
    const names = [
      "-rf",
      "$(reboot)",
      "a b",
      "it's",
      '"q"',
      "`x`",
      "*",
      "é日本👩‍💻",
      "n".repeat(255),
    ];
    const root = folder(Object.fromEntries(names.map((name) => [name, "x"])));

    expect((await pathsOf(root)).toSorted()).toEqual(names.toSorted());
  });

  it("may be empty", async () => {
    const { manifest, files, bytes } = await read(folder());

    expect({ manifest, files, bytes }).toEqual({ manifest: [], files: 0, bytes: 0 });
  });

  it("is found from the folder of the config, also through a link", async () => {
    const root = folder({ "dist/a": "abc", out: { link: "dist" } });

    expect((await read("dist", { folder: root })).files).toBe(1);
    expect((await read("./out", { folder: root })).files).toBe(1);
    expect((await read(`${root}/dist`, { folder: "/nowhere" })).files).toBe(1);
  });

  it("has the digest that other tools see, for files of any size", async () => {
    const big = Buffer.alloc(3 * 1024 * 1024 + 17, "0123456789");
    const { manifest } = await read(folder({ big, empty: "" }));

    expect(manifest).toMatchObject([
      {
        size: 3_145_745,
        digest: "sha256:7ceba688afaccc18fd78bdbdcd8d91afa5231662922b6c21f52ea45e3e420957",
      },
      {
        size: 0,
        digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      },
    ]);
  });

  it("can be read again, file by file", async () => {
    const big = Buffer.alloc(700_000, "0123456789");
    const artifact = await read(folder({ "d/big": big, small: "abc", none: "" }));

    expect((await bytesOf(artifact.open("d/big"))).equals(big)).toBe(true);
    expect((await bytesOf(artifact.open("small"))).toString()).toBe("abc");
    expect((await bytesOf(artifact.open("none"))).length).toBe(0);
  });

  it("reads many files at once in passing, each with its own bytes", async () => {
    const files = Array.from({ length: 40 }, (_, at) => {
      const text = String(at).padEnd(at % 2 === 0 ? 5000 : 700_000, `${at} `);
      return [`f${at}`, text] as const;
    });
    const artifact = await read(folder(Object.fromEntries(files)));

    const found = files.map(async ([path]) => {
      let text = "";
      for await (const piece of artifact.open(path, { isPassing: true })) {
        await turn();
        text += Buffer.from(piece).toString();
      }
      return text;
    });
    expect(await Promise.all(found)).toEqual(files.map(([, text]) => text));
  });

  it("opens only files", async () => {
    const artifact = await read(folder({ "d/a": "", l: { link: "d" } }));

    for (const path of ["d", "l", "missing", "../d/a"]) {
      expect(() => artifact.open(path)).toThrow(new TypeError(`The artifact has no file ${path}.`));
    }
  });

  it("stops when it is told to", async () => {
    const root = folder({ a: "abc" });
    const signal = AbortSignal.abort(new Error("enough"));

    await expect(read(root, { signal })).rejects.toThrow("enough");
    const artifact = await read(root);
    await expect(bytesOf(artifact.open("a", { signal }))).rejects.toThrow("enough");
  });
});

describe("a source that cannot be read", () => {
  it("is missing", async () => {
    const root = folder({ file: "" });

    const { code, message, hint } = await failure(read("dist", { folder: root }));

    expect(code).toBe("SOURCE_MISSING");
    expect(message).toBe(`The source ${root}/dist is not there.`);
    expect(hint).toMatch(/^Build first/);
  });

  it("is no directory", async () => {
    const root = folder({ file: "" });

    const { code, message } = await failure(read("file", { folder: root }));

    expect(code).toBe("SOURCE_MISSING");
    expect(message).toBe(`The source ${root}/file is not a directory.`);
  });

  it("is told apart from a missing one", async () => {
    const root = folder();
    symlinkSync("loop", `${root}/loop`);

    const { code, message } = await failure(read("loop", { folder: root }));

    expect(code).toBe("SOURCE_UNREADABLE");
    expect(message).toBe(`${root}/loop could not be read: ELOOP.`);
  });
});

describe("a file that changes", () => {
  const changes: readonly (readonly [string, (place: string) => void, RegExp])[] = [
    ["grows", (place) => put(place, "abcd"), /: more than 3 bytes, planned 3 bytes\.$/],
    ["shrinks", (place) => put(place, "ab"), /: 2 bytes, planned 3 bytes\.$/],
    ["gets other bytes", (place) => put(place, "abd"), /: sha256:a52d.*, planned sha256:ba78/],
  ];

  it.each(changes)("and %s is not sent as it was planned", async (_, change, message) => {
    const root = folder({ a: "abc" });
    const artifact = await read(root);

    change(`${root}/a`);

    const error = await failure(bytesOf(artifact.open("a")));
    expect(error.code).toBe("SOURCE_CHANGED");
    expect(error.message).toMatch(message);
  });

  it("only beyond its first megabytes is found too", async () => {
    const content = Buffer.alloc(2_000_000, "x");
    const root = folder({ a: content });
    const artifact = await read(root);

    content[1_999_999] = 0;
    put(`${root}/a`, content);

    expect((await failure(bytesOf(artifact.open("a")))).code).toBe("SOURCE_CHANGED");
  });
});
