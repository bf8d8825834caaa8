import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archiveFiles } from "../src/sources/files.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-archive-"));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

interface Member {
  readonly name: string;
  readonly body?: string;
  readonly flag?: string;
  /** What the header says, where that is a lie. */
  readonly size?: number;
  readonly prefix?: string;
}

/** One member of a tar archive, written by hand. */
function member({ name, body = "", flag = "0", size = body.length, prefix = "" }: Member): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0, 100);
  head.write("0000644\0", 100);
  head.write(size.toString(8).padStart(11, "0"), 124);
  head.write(flag, 156);
  head.write("ustar\x0000", 257, "latin1");
  head.write(prefix, 345, 155);
  head.write("        ", 148);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const content = Buffer.from(body);
  return Buffer.concat([head, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

async function archive(...members: readonly (Member | Buffer)[]): Promise<string> {
  const path = join(folder, `${Math.random()}.tar`);
  const parts = members.map((one) => ("name" in one ? member(one) : one));
  await writeFile(path, Buffer.concat([...parts, Buffer.alloc(1024)]));
  return path;
}

async function textIn(path: string, name: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await archiveFiles(path)).open(name)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe("an archive", () => {
  it("is read in place, with long names of both kinds and a prefix", async () => {
    const long = "n".repeat(150);
    const path = await archive(
      { name: "./index.json", body: "{}" },
      { name: "b", prefix: "a", body: "with a prefix" },
      { name: "././@LongLink", flag: "L", body: `${long}\0` },
      { name: long.slice(0, 100), body: "gnu" },
      { name: "pax", flag: "x", body: `${10 + long.length + 4} path=${long}.pax\n` },
      { name: "short", body: "pax" },
      { name: "empty" },
    );

    expect(await textIn(path, "index.json")).toBe("{}");
    expect(await textIn(path, "a/b")).toBe("with a prefix");
    expect(await textIn(path, long)).toBe("gnu");
    expect(await textIn(path, `${long}.pax`)).toBe("pax");
    expect(await textIn(path, "empty")).toBe("");
  });

  it.each<readonly [string, readonly (Member | Buffer)[], string]>([
    ["a name that leaves it", [{ name: "../etc/passwd", body: "x" }], "leads out of it"],
    ["a name that leaves it later", [{ name: "a/../../b", body: "x" }], "leads out of it"],
    ["an absolute name", [{ name: "/etc/passwd", body: "x" }], "leads out of it"],
    ["a link that leaves it", [{ name: "../x", flag: "2" }], "leads out of it"],
    [
      "a name twice",
      [
        { name: "a", body: "1" },
        { name: "./a", body: "2" },
      ],
      "it holds a twice",
    ],
    ["more bytes than it has", [{ name: "a", body: "1", size: 99_999 }], "it is cut off"],
    ["no header", [Buffer.alloc(512, "x")], "it is no tar archive at byte 0"],
    [
      "a name of a megabyte",
      [{ name: "x", flag: "L", body: "n".repeat(1 << 20) }],
      "a name in it is too long",
    ],
  ])("with %s is refused", async (_name, members, message) => {
    await expect(archiveFiles(await archive(...members))).rejects.toMatchObject({
      code: "REGISTRY_ARCHIVE",
      message: expect.stringContaining(message) as string,
    });
  });

  it("gives no link as a file", async () => {
    const files = await archiveFiles(
      await archive({ name: "link", flag: "2" }, { name: "hard", flag: "1" }),
    );

    expect(await files.size("link")).toBeUndefined();
    expect(await files.size("hard")).toBeUndefined();
  });

  it("that is not there is refused", async () => {
    await expect(archiveFiles(join(folder, "nothing.tar"))).rejects.toMatchObject({
      code: "REGISTRY_ARCHIVE",
    });
  });
});
