import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hostOf, nextEdition, PRODUCTION } from "./held.ts";
import { ownRig } from "./own-rig.ts";
import { PATH, type Rig } from "./rig.ts";

let rig: Rig;

ownRig((made) => {
  rig = made;
});

it("is open until the service runs the old release again", { timeout: 60_000 }, async () => {
  await rig.configure(
    `keep: 100, restart: ["sh", "-c", "cp index.html ${PATH}/tried; test ! -e ${PATH}/broken"]`,
  );
  await nextEdition(rig);
  await rig.mustDeploy();
  const before = await rig.links();
  const old = await readFile(join(rig.build, "index.html"), "utf8");
  const { root } = hostOf(rig, 1);
  await writeFile(join(root, "broken"), "");
  await nextEdition(rig);

  const deploy = await rig.lockstep("deploy", ...PRODUCTION, "-y");
  const again = await rig.lockstep("recover", ...PRODUCTION);
  expect([deploy.exit, again.exit], `${deploy.stderr}${again.stderr}`).toEqual([32, 32]);
  expect(again.stderr).toContain("SSH_WAY_BACK_OPEN");
  expect(await rig.links()).toEqual(before);
  await rm(join(root, "broken"));
  await writeFile(join(root, "tried"), "");
  const mended = await rig.lockstep("recover", ...PRODUCTION);

  expect(mended.exit, mended.stderr).toBe(0);
  expect(await readFile(join(root, "tried"), "utf8")).toBe(old);
});
