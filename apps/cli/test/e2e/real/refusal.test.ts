import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeKeyPair } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownRig } from "./own-rig.ts";
import { type Ended, type Rig } from "./rig.ts";

let rig: Rig;
let before: Awaited<ReturnType<Rig["kept"]>>;
let links: (string | null)[];

ownRig(async (made) => {
  rig = made;
  await rig.configure();
  await writeFile(join(rig.build, "index.html"), "one\n");
  await rig.mustDeploy();
});

beforeEach(async () => {
  [before, links] = [await rig.kept(), await rig.links()];
  await writeFile(join(rig.build, "index.html"), `${Math.random()}\n`);
});

afterEach(mustBeAsBefore);

async function mustBeAsBefore(): Promise<void> {
  const { exit, stdout } = await rig.lockstep("status", "-e", "production");
  const release = links[0]?.replace("releases/", "") ?? "?";
  expect([exit, stdout.split(release).length - 1]).toEqual([0, 7]); // three hosts, live and deployed, and the head
  expect(await rig.kept()).toEqual(before);
  expect(await rig.links()).toEqual(links);
}

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

  it("its disk has no room for the artifact", async () => {
    await writeFile(join(rig.build, "large.bin"), Buffer.alloc(3 << 20, Math.random().toString()));

    const { exit, stderr } = await deployToDisk("size=2m");

    await rm(join(rig.build, "large.bin"));
    expect([exit, stderr]).toEqual([21, expect.stringMatching(/SSH_DISK_FULL {2}web web-2/)]);
  }, 120_000);

  it("its disk has room for too few files", async () => {
    await mkdir(join(rig.build, "pages"));
    for (let page = 0; page < 100; page += 1) {
      await writeFile(join(rig.build, `pages/${page}.html`), `${page}\n`);
    }

    const { exit, stderr } = await deployToDisk("size=8m,nr_inodes=90");

    await rm(join(rig.build, "pages"), { recursive: true });
    expect([exit, stderr]).toEqual([21, expect.stringMatching(/SSH_DISK_FULL {2}web web-2/)]);
  }, 120_000);

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

/** Deploys while the second host has its folder, with all that is in it, on a small disk of its own. */
async function deployToDisk(limits: string): Promise<Ended> {
  const { root, uid, sshd } = second();
  const disk = join(rig.folder, "disk");
  await mkdir(disk, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `mode=755,${limits}`, "none", disk]);
  try {
    execFileSync("cp", ["-a", `${root}/.`, disk]);
    await chown(disk, uid, -1);
    await sshd.stop();
    execFileSync("mount", ["--bind", disk, root]);
    await sshd.start();
    const end = await rig.lockstep("deploy", "-e", "production", "-y");
    expect([await rig.kept(), await rig.links()]).toEqual([before, links]);
    return end;
  } finally {
    await sshd.stop();
    execFileSync("umount", [root]);
    execFileSync("umount", [disk]);
    await sshd.start();
  }
}
