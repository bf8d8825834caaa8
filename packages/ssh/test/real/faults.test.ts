import { execFileSync } from "node:child_process";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSandboxSsh } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failureOf } from "../failure.ts";
import { Shop, startHost, stateOf, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

let host: TestHost;
beforeAll(async () => {
  host = await startHost("dash");
});
afterAll(async () => host[Symbol.asyncDispose]());

describe("a path the account may not write", () => {
  it("is refused in the plan, with the command an administrator has to run", async () => {
    const path = "/opt/shop of $(touch evil)";
    await using shop = await Shop.open(host, { path });
    await shop.build();

    expect(await failureOf(shop.plan(ONE))).toMatchObject({
      code: "SSH_PATH_DENIED",
      unit: "web-1",
      hint: expect.stringContaining(
        `sudo install -d -o '${host.server.user}' -g '${host.server.user}' -m 755 '${path}'`,
      ),
    });
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("is refused when it is a file", async () => {
    await using shop = await Shop.open(host);
    await mkdir(join(shop.path, ".."), { recursive: true });
    await writeFile(shop.path, "");
    await shop.build();

    expect(await failureOf(shop.plan(ONE))).toMatchObject({ code: "SSH_PATH_DENIED" });
  });
});

describe("a current that Lockstep did not make", () => {
  const prepare = async (make: (path: string) => Promise<void>): Promise<Shop> => {
    const shop = await Shop.open(host);
    await shop.deploy(ONE, { "index.html": "one" });
    await rm(join(shop.path, "current"));
    await make(shop.path);
    await shop.build({ "index.html": "two" });
    return shop;
  };

  it.each([
    ["a directory", (path: string) => mkdir(join(path, "current"))],
    ["a file", (path: string) => writeFile(join(path, "current"), "")],
    ["a dangling link", (path: string) => symlink("releases/gone", join(path, "current"))],
    ["a link to the outside", (path: string) => symlink("/etc", join(path, "current"))],
    [
      "an absolute link",
      (path: string) => symlink(join(path, "releases", ONE), join(path, "current")),
    ],
    [
      "a folder of root",
      async (path: string) => {
        await mkdir(join(path, "current"));
        await chown(join(path, "current"), 0, 0);
        await chmod(join(path, "current"), 0o700);
      },
    ],
    [
      "a link to a folder made by hand",
      async (path: string) => {
        await mkdir(join(path, "releases/by-hand"));
        await symlink("releases/by-hand", join(path, "current"));
      },
    ],
  ])("is refused when it is %s, and left alone", async (_, make) => {
    await using shop = await prepare(async (path) => {
      await make(path);
    });
    const found = await stat(join(shop.path, "current")).catch(() => null);

    for (const call of [shop.plan(TWO), shop.target.live(shop.context())]) {
      expect(await failureOf(call)).toMatchObject({ code: "SSH_CURRENT_FOREIGN", unit: "web-1" });
      expect(await failureOf(call)).toMatchObject({
        hint: expect.stringContaining("Nothing was removed.") as string,
      });
    }
    expect((await stat(join(shop.path, "current")).catch(() => null))?.ino).toBe(found?.ino);
  });

  it("is refused where nothing is laid out", async () => {
    await using shop = await Shop.open(host);
    await mkdir(join(shop.path, "releases/1"), { recursive: true });
    await symlink("releases/1", join(shop.path, "current"));

    expect(await failureOf(shop.target.live(shop.context()))).toMatchObject({
      code: "SSH_CURRENT_FOREIGN",
      hint: expect.stringContaining("adopt: true") as string,
    });
  });

  it("stops an activation and is left alone", async () => {
    await using shop = await Shop.open(host);
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "two" });
    const [upload, activate] = await shop.planPair(TWO);
    await shop.apply(upload);
    await rm(join(shop.path, "current"));
    await mkdir(join(shop.path, "current"));
    await writeFile(join(shop.path, "current/mine"), "");

    const before = { previous: `releases/${ONE}` };
    const apply = shop.handlerOf(activate).apply(activate.input, before, shop.context());

    expect(await failureOf(apply)).toMatchObject({ code: "STEP_CONFLICT" });
    expect(await readdir(join(shop.path, "current"))).toEqual(["mine"]);
  });
});

describe("a layout of another version", () => {
  it("is not touched", async () => {
    await using shop = await Shop.open(host);
    await shop.deploy(ONE, { "index.html": "one" });
    await writeFile(join(shop.path, ".lockstep/layout"), "2\n");

    expect(await failureOf(shop.target.live(shop.context()))).toMatchObject({
      code: "SSH_LAYOUT_UNKNOWN",
    });
    expect(await failureOf(shop.fence())).toMatchObject({ code: "SSH_LAYOUT_UNKNOWN" });
  });
});

describe("a host without the tools", () => {
  it("is named with what it lacks", async () => {
    const bin = await mkdtemp(join(tmpdir(), "lockstep-bin-"));
    for (const tool of ["sh", "id", "df", "cat", "find", "gzip", "wc", "ln", "mv", "rm"]) {
      await symlink(execFileSync("which", [tool]).toString().trim(), join(bin, tool));
    }
    await using server = await startSandboxSsh({ folder: join(bin, "home"), env: { PATH: bin } });
    await using shop = await Shop.open({ ...host, server, root: bin });
    await shop.build();

    expect(await failureOf(shop.plan(ONE))).toMatchObject({
      code: "SSH_TOOL_MISSING",
      message: expect.stringContaining("tar, sha256sum, mkdir, rmdir"),
    });
    await rm(bin, { recursive: true });
  });
});

describe("a quota that is used up while files arrive", () => {
  it("is told as a full disk, and leaves what is live alone", async () => {
    const bin = await mkdtemp(join(tmpdir(), "lockstep-bin-"));
    const tar = execFileSync("which", ["tar"]).toString().trim();
    // the system of a test has no quotas: tar says what it says where there are some
    const short = `cat >/dev/null; echo 'tar: two.html: Cannot write: Disk quota exceeded' >&2; exit 2`;
    const script = `#!/bin/sh\n[ ! -e ${bin}/full ] || case $1 in (-x*) ${short} ;; esac\nexec ${tar} "$@"\n`;
    await writeFile(join(bin, "tar"), script, { mode: 0o755 });
    await using limited = await startHost("sandbox", { PATH: `${bin}:/usr/bin:/bin` });
    await using shop = await Shop.open(limited);
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "one", "two.html": "two" });
    const [upload] = await shop.planPair(TWO);
    await writeFile(join(bin, "full"), "");

    expect(await failureOf(shop.apply(upload))).toMatchObject({
      code: "SSH_DISK_FULL",
      message: expect.stringContaining("Disk quota exceeded") as string,
    });
    expect(await stateOf(shop.path, TWO)).not.toBe("ready");
    expect(await shop.observe()).toMatchObject({ link: `releases/${ONE}` });
    expect(await shop.revert(upload, null)).toBe("restored");
    await rm(bin, { recursive: true });
  });
});

describe("a full disk", () => {
  let mount: string;
  beforeAll(async () => {
    mount = join(host.root, "small");
    await mkdir(mount);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "tmpfs", mount]);
    const { uid, gid } = await stat(host.root);
    await chown(mount, uid, gid);
  });
  afterAll(() => {
    execFileSync("umount", [mount]);
  });

  /** Does not compress. */
  const noise = (bytes: number): string => {
    let seed = 1;
    return Array.from({ length: bytes }, () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return String.fromCharCode(33 + ((seed >> 16) % 90));
    }).join("");
  };

  it("is seen in the plan when the artifact cannot fit", async () => {
    await using shop = await Shop.open(host, { path: join(mount, "a") });
    await shop.build({ "big.bin": noise(1_100_000) });

    expect(await failureOf(shop.plan(ONE))).toMatchObject({ code: "SSH_DISK_FULL", unit: "web-1" });
  });

  it("is no reason to refuse what is linked, and what is copied is counted in MiB", async () => {
    const path = join(mount, "d");
    const big = noise(600_000);
    await using shop = await Shop.open(host, { path, base: "link" });
    await shop.deploy(ONE, { "big.bin": big });
    await shop.build({ "big.bin": big, "index.html": "two" });
    await using copying = await Shop.open(host, { path });
    await copying.build({ "big.bin": big, "index.html": "two" });

    expect(await failureOf(copying.plan(TWO))).toMatchObject({
      code: "SSH_DISK_FULL",
      message: expect.stringMatching(
        /0\.\d MiB are free, and the artifact needs 0\.6 MiB/,
      ) as string,
    });
    const [upload] = await shop.planPair(TWO);
    await shop.apply(upload);
    expect(await stateOf(path, TWO)).toBe("ready");
  });

  it("is seen in the plan when the artifact has more files than can be made", async () => {
    await using shop = await Shop.open(host, { path: join(mount, "c") });
    await shop.build(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}`, ""])));

    expect(await failureOf(shop.plan(ONE))).toMatchObject({
      code: "SSH_DISK_FULL",
      message: expect.stringMatching(/room for \d+ files, and the artifact has 300/),
    });
  });

  it.each([
    ["bytes", (path: string) => writeFile(join(path, "ballast"), noise(900_000))],
    [
      "inodes",
      async (path: string) => {
        for (let n = 0; n < 170; n += 1) await writeFile(join(path, `ballast-${n}`), "");
      },
    ],
  ])("of %s leaves what is live alone, and the run can be put back", async (_, fill) => {
    await using shop = await Shop.open(host, { path: join(mount, "b") });
    await shop.deploy(ONE, { "index.html": "one" });
    const files = Object.fromEntries(Array.from({ length: 30 }, (__, n) => [`${n}`, noise(9000)]));
    await shop.build(files);
    const [upload] = await shop.planPair(TWO);
    await fill(shop.path);

    const failure = await failureOf(shop.apply(upload));

    expect(failure).toMatchObject({ code: "SSH_DISK_FULL" });
    expect(await stateOf(shop.path, TWO)).not.toBe("ready");
    expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
    expect(await shop.revert(upload, null)).toBe("restored");
    expect(await readdir(join(shop.path, "releases"))).toEqual([ONE]);
  });

  it("that became read-only leaves what is live alone, and is seen in the next plan", async () => {
    await using shop = await Shop.open(host, { path: join(mount, "c") });
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "two" });
    const [upload, activate] = await shop.planPair(TWO);
    const before = await shop.apply(upload);
    execFileSync("mount", ["-o", "remount,ro", mount]);
    try {
      expect(await failureOf(shop.apply(activate))).toMatchObject({ code: "SSH_REMOTE_FAILED" });
      expect(await failureOf(shop.plan(TWO))).toMatchObject({ code: "SSH_PATH_DENIED" });
      expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
    } finally {
      execFileSync("mount", ["-o", "remount,rw", mount]);
    }
    expect(await shop.revert(upload, before)).toBe("restored");
    expect(await readdir(join(shop.path, "releases"))).toEqual([ONE]);
  });
});
