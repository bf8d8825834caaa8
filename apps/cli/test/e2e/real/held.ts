import { type ChildProcess, execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ended, ended, PATH, type Rig, type TestHost } from "./rig.ts";

/** Words that every command of these tests ends with. */
export const PRODUCTION = ["-e", "production"] as const;

/** One host after the other; the command after each move waits as long as that host has a file `hold`. */
export const HELD: string = `
  rollout: { waves: [1] },
  restart: ["sh", "-c", "while test -e ${PATH}/hold; do sleep 0.05; done"],
  keep: 100,
`;

/** A deploy that has moved the links of the first two hosts, and waits on the second. */
export interface HeldDeploy {
  readonly child: ChildProcess;
  readonly end: Promise<Ended>;
  /** Lets the second host go on. */
  letGo(): Promise<void>;
}

let editions = 0;

/** Builds the next artifact. */
export async function nextEdition(rig: Rig): Promise<void> {
  editions += 1;
  await writeFile(join(rig.build, "index.html"), `edition ${editions}\n`);
}

/** One of the three hosts. */
export function hostOf(rig: Rig, index: 0 | 1 | 2): TestHost {
  const host = rig.hosts[index];
  if (host === undefined) throw new Error(`There is no host ${index}.`);
  return host;
}

/** Deploys the next artifact up to the middle of the moves. */
export async function deployHeld(
  rig: Rig,
  env: Readonly<Record<string, string>> = {},
): Promise<HeldDeploy> {
  await nextEdition(rig);
  const hold = join(hostOf(rig, 1).root, "hold");
  await writeFile(hold, "");
  const before = await rig.links();
  const child = rig.startWith({ env }, "deploy", ...PRODUCTION, "-y");
  const end = ended(child);
  await until(async () => (await rig.links())[1] !== before[1]);
  return { child, end, letGo: () => rm(hold) };
}

/** Leaves a run that was killed between the second move and the third. */
export async function killHalfway(rig: Rig): Promise<void> {
  const { child, end, letGo } = await deployHeld(rig);
  child.kill("SIGKILL");
  await end;
  await letGo();
  await untilQuiet(rig);
}

/** Somebody points `current` of a host at a folder of their own; the function points it at the release before. */
export async function fixByHand(
  host: TestHost,
  before: string | null | undefined,
): Promise<() => Promise<void>> {
  const link = join(host.root, "current");
  const pointTo = (to: string): void => void execFileSync("ln", ["-sfn", to, link]);
  const was = execFileSync("readlink", [link], { encoding: "utf8" }).trim();
  execFileSync("cp", ["-a", join(host.root, was), join(host.root, "releases", "by-hand")]);
  pointTo("releases/by-hand");
  return async () => {
    pointTo(before ?? was);
    await rm(join(host.root, "releases", "by-hand"), { recursive: true });
  };
}

/** Everything on all hosts: names, kinds, times of change, link targets. */
export function everythingOn(rig: Rig): string {
  const script = "find . -printf '%P %y %m %T@ %l\\n' | LC_ALL=C sort";
  return rig.hosts
    .map(({ root }) => execFileSync("sh", ["-c", script], { cwd: root, encoding: "utf8" }))
    .join("\n");
}

/** Changes the config file as text. */
export async function edit(rig: Rig, what: string, to: string): Promise<void> {
  const file = join(rig.project, "lockstep.config.ts");
  const text = await readFile(file, "utf8");
  if (!text.includes(what)) throw new Error(`The config has no ${what}.`);
  await writeFile(file, text.replace(what, to));
}

/** Waits until something is so, for at most ten seconds. */
export async function until(is: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await is()) return;
    await sleep(10);
  }
  throw new Error("it never came to that");
}

/** Commands outlive their connection: what was under way on the hosts comes to its end. */
async function untilQuiet(rig: Rig): Promise<void> {
  let [last, same] = ["", 0];
  await until(async () => {
    await sleep(40);
    const now = everythingOn(rig);
    same = now === last ? same + 1 : 0;
    last = now;
    return same === 6;
  });
}
