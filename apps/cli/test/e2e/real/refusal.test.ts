import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeKeyPair } from "@lockstep/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Rig, startRig } from "./rig.ts";

let rig: Rig;
let before: Awaited<ReturnType<Rig["kept"]>>;
let links: (string | null)[];

beforeAll(async () => {
  rig = await startRig();
  await rig.configure();
  await writeFile(join(rig.build, "index.html"), "one\n");
  expect((await rig.lockstep("deploy", "-e", "production", "-y")).exit).toBe(0);
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
}, 30_000);

beforeEach(async () => {
  [before, links] = [await rig.kept(), await rig.links()];
  await writeFile(join(rig.build, "index.html"), `${Math.random()}\n`);
});

afterEach(async () => {
  const { exit, stdout } = await rig.lockstep("status", "-e", "production");
  const release = links[0]?.replace("releases/", "") ?? "?";
  expect([exit, stdout.split(release).length - 1]).toEqual([0, 7]); // three hosts, live and deployed, and the head
  expect(await rig.kept()).toEqual(before);
  expect(await rig.links()).toEqual(links);
});

const second = (): Rig["hosts"][number] => {
  const host = rig.hosts[1];
  if (host === undefined) throw new Error("no second host");
  return host;
};

describe("when one host of three refuses, nobody activates and nothing stays staged:", () => {
  it("its server is stopped", async () => {
    await second().sshd.stop();

    const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

    await second().sshd.start();
    expect([exit, stderr]).toEqual([
      21,
      expect.stringMatching(/SSH_HOST_UNREACHABLE {2}web web-2/),
    ]);
  });

  it("its disk is full", async () => {
    const { root } = second();
    await writeFile(join(rig.build, "large.bin"), Buffer.alloc(3 << 20, Math.random().toString()));
    await mkdir(join(root, "releases"), { recursive: true });
    // Everything of the host goes to a disk of 2 MB, seen at the same place.
    const copy = join(rig.folder, "small");
    await mkdir(copy, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m,mode=755", "none", copy]);
    try {
      execFileSync("cp", ["-a", `${root}/.`, copy]);
      await chown(copy, second().uid, -1);
      await second().sshd.stop();
      execFileSync("mount", ["--bind", copy, root]);
      await second().sshd.start();

      const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

      expect([exit, stderr]).toEqual([
        expect.any(Number),
        expect.stringMatching(/SSH_DISK_FULL {2}web web-2/),
      ]);
      expect([21, 30]).toContain(exit);
      expect(await rig.kept()).toEqual(before);
    } finally {
      await second().sshd.stop();
      execFileSync("umount", [root]);
      execFileSync("umount", [copy]);
      await second().sshd.start();
    }
    execFileSync("rm", [join(rig.build, "large.bin")]);
  }, 30_000);

  it("its path may not be written", async () => {
    const { root, uid } = second();
    await chown(join(root, "releases"), 0, 0);
    await chmod(join(root, "releases"), 0o755);

    const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

    await chown(join(root, "releases"), uid, -1);
    expect([21, 30], stderr).toContain(exit);
    expect(stderr).toMatch(/ {2}web web-2/);
  });

  it("its host key changed", async () => {
    const { sshd } = second();
    const changed = [{ ...second(), sshd: { ...sshd, hostKey: makeKeyPair().public } }];
    await rig.configure("", [...rig.hosts.slice(0, 1), ...changed, ...rig.hosts.slice(2)]);

    const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

    await rig.configure();
    expect([exit, stderr]).toEqual([
      21,
      expect.stringMatching(/SSH_HOST_KEY_CHANGED {2}web web-2/),
    ]);
  });
});
