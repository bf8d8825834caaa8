import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { GuardName } from "@lockstep/artifact";
import { describe, expect, it, onTestFinished } from "vitest";
import { failure, folder, pathsOf, put, read, variable } from "./folder.ts";

const KEY = `-----BEGIN ${["PRIVATE", "KEY"].join(" ")}-----\n${"aB3dE5gH7jK9".repeat(6)}\n`;

/** The lines of a refusal, without the sentence before them. */
async function refused(root: string, allow: readonly GuardName[] = []): Promise<string[]> {
  const { code, message } = await failure(read(root, { allow }));
  expect(code).toBe("SOURCE_REFUSED");
  return message
    .split("\n")
    .slice(1)
    .map((line) => line.trim());
}

describe("a refusal", () => {
  it("lists every offender in order, with the reason and the guard, and says what to do", async () => {
    const root = folder({
      ".env": "A=1",
      "tls/key.pem": KEY,
      out: { link: "../x" },
      "a\\b": "",
      ok: "",
    });

    const { message, hint } = await failure(read(root));

    expect(message).toBe(
      [
        `The source ${root} has 4 entries that must not be deployed:`,
        '  "a\\\\b": its name holds a backslash (names)',
        "  .env: it is an environment file (secrets)",
        "  out: it points out of the source, to ../x (links)",
        "  tls/key.pem: it holds a private key (secrets)",
      ].join("\n"),
    );
    expect(hint).toBe(
      'Exclude them in .lockstepignore or with `exclude`. If they are meant: allow: ["links", "names", "secrets"].',
    );
  });

  it("lists 50 offenders and counts the others", async () => {
    const root = folder();
    for (let count = 0; count < 63; count++) put(`${root}/${count}.kdbx`, "");

    const { message } = await failure(read(root));

    expect(message).toMatch(/ has 63 entries that must not be deployed:\n/);
    expect(message.split("\n")).toHaveLength(52);
    expect(message).toMatch(/\n {2}and 13 more$/);
  });

  it("does not come for what is excluded", async () => {
    const root = folder({
      ".env": "A=1",
      "a\\b": "",
      out: { link: "/" },
      "key/x.pem": KEY,
      ok: "",
    });
    execFileSync("mkfifo", [`${root}/pipe`]);

    const exclude = [".env", "a?b", "out", "key/", "pipe"];

    expect(await pathsOf(root, { exclude })).toEqual(["ok"]);
  });
});

describe("the guard of secrets", () => {
  it("ships what it finds only when it is switched off", async () => {
    const root = folder({ ".env": "A=1", "key.pem": KEY });

    expect(await pathsOf(root, { allow: ["secrets"] })).toEqual([".env", "key.pem"]);
  });

  it("knows examples from values, and names of links from files", async () => {
    const root = folder({ ".env.example": "A=", "shared/.env": { link: "../config" } });

    expect(await pathsOf(root)).toEqual([".env.example", "shared", "shared/.env"]);
  });

  it("lists a file once that is a secret by name and by content", async () => {
    expect(await refused(folder({ id_rsa: KEY }))).toEqual([
      "id_rsa: it is a private SSH key (secrets)",
    ]);
  });

  it("scans large files to their end", async () => {
    const root = folder({ "big.bin": Buffer.concat([Buffer.alloc(1_000_000), Buffer.from(KEY)]) });

    expect(await refused(root)).toEqual(["big.bin: it holds a private key (secrets)"]);
  });
});

describe("the guard of links", () => {
  it("ships links as they are when it is switched off", async () => {
    const root = folder({ abs: { link: "/etc" }, up: { link: "../.." }, self: { link: "self" } });

    expect(await refused(root)).toEqual([
      "abs: it points to the absolute path /etc (links)",
      "self: it goes in circles (links)",
      "up: it points out of the source, to ../.. (links)",
    ]);
    const { manifest } = await read(root, { allow: ["links"] });
    expect(manifest).toEqual([
      { type: "link", path: "abs", target: "/etc" },
      { type: "link", path: "self", target: "self" },
      { type: "link", path: "up", target: "../.." },
    ]);
  });

  it("is not misled by a folder whose name begins like the source", async () => {
    const root = folder({ "dist/a": { link: "../dist2/x" }, "dist2/x": "" });

    expect(await refused(`${root}/dist`)).toEqual([
      "a: it points out of the source, to ../dist2/x (links)",
    ]);
  });
});

describe("the guard of names", () => {
  it("lists control characters and bytes that are not UTF-8, escaped", async () => {
    const root = folder({ "line\nbreak": "", "\u001b[2J": "", to: { link: "a\nb" } });
    mkdirSync(Buffer.concat([Buffer.from(`${root}/dir-`), Buffer.from([0xff])]));
    writeFileSync(
      Buffer.concat([Buffer.from(`${root}/dir-`), Buffer.from([0xff, 0x2f, 0xfe])]),
      "",
    );

    expect(await refused(root)).toEqual([
      '"\\u{1b}[2J": its name holds a control character (names)',
      '"dir-\\xff": its name is not valid UTF-8 (names)',
      '"line\\nbreak": its name holds a control character (names)',
      "to: its target holds a control character (names)",
    ]);
  });

  it("leaves such names out when it is switched off: no manifest can hold them", async () => {
    const root = folder({ "bad\n/x": "", "back\\slash": "", ok: "" });
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff])]), "");

    expect(await pathsOf(root, { allow: ["names"] })).toEqual(["ok"]);
  });
});

describe("the guard of twins", () => {
  it("finds names that differ only in case or Unicode form", async () => {
    const root = folder({
      README: "",
      readme: "",
      "s/caf\u00e9": "",
      "s/cafe\u0301": "",
      "t/STRASSE": "",
      "t/stra\u00dfe": "",
      "u/a": "",
      "v/A": "",
    });

    expect(await refused(root)).toEqual([
      "readme: it is the same name as README where case or Unicode form do not count (twins)",
      "s/caf\u00e9: it is the same name as cafe\u0301 where case or Unicode form do not count (twins)",
      "t/stra\u00dfe: it is the same name as STRASSE where case or Unicode form do not count (twins)",
    ]);
  });

  it("finds a directory that is the twin of a file", async () => {
    expect(await refused(folder({ "docs/a": "", Docs: "" }))).toEqual([
      "docs: it is the same name as Docs where case or Unicode form do not count (twins)",
    ]);
  });

  it("ships both when it is switched off", async () => {
    expect(await pathsOf(folder({ A: "", a: "" }), { allow: ["twins"] })).toEqual(["A", "a"]);
  });
});

describe("the guard of special files", () => {
  it("finds sockets, pipes and devices, and leaves them out when it is switched off", async () => {
    const root = folder({ ok: "" });
    execFileSync("mkfifo", [`${root}/pipe`]);
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((done) => void server.listen(`${root}/socket`, done));

    expect(await refused(root)).toEqual([
      "pipe: it is a named pipe (special)",
      "socket: it is a socket (special)",
    ]);
    expect(await pathsOf(root, { allow: ["special"] })).toEqual(["ok"]);
  });

  it("finds an ignore file whose rules would not count", async () => {
    const root = folder({ ".lockstepignore": { link: "rules" }, rules: "*.map" });

    expect(await refused(root)).toEqual([
      ".lockstepignore: it is no regular file, and its rules would not count (special)",
    ]);
  });
});

describe("the guard of roots", () => {
  it("refuses the root of the file system before it reads anything", async () => {
    const { message, hint } = await failure(read("/"));

    expect(message).toBe(
      "The source / has 1 entry that must not be deployed:\n  /: it is the root of the file system (root)",
    );
    expect(hint).toBe(
      'Name the folder that holds the built files. If all of it is meant: allow: ["root"].',
    );
  });

  it("refuses the home directory, also behind a link", async () => {
    const root = folder({ "home/a": "", link: { link: "home" } });
    variable("HOME", `${root}/link`);

    expect(await refused(`${root}/home`)).toEqual([
      `${root}/home: it is the home directory (root)`,
    ]);
    expect(await refused(`${root}/link`)).toEqual([
      `${root}/home: it is the home directory (root)`,
    ]);
    expect(await pathsOf(root)).toEqual(["home", "home/a", "link"]);
  });

  it("refuses the root of a repository, work trees too, but not a folder in it", async () => {
    const root = folder({ ".git/HEAD": "", "dist/a": "", "tree/.git": "gitdir: elsewhere" });

    expect(await refused(root)).toEqual([`${root}: it is the root of a git repository (root)`]);
    expect(await refused(`${root}/tree`)).toHaveLength(1);
    expect(await pathsOf(`${root}/dist`)).toEqual(["a"]);
  });

  it("ships all but the repository when it is switched off", async () => {
    const root = folder({ ".git/HEAD": "", "dist/a": "" });

    expect(await pathsOf(root, { allow: ["root"] })).toEqual(["dist", "dist/a"]);
  });
});
