import { buildShop, lockstep, type Ran } from "./programs.ts";
import type { RunningSandbox } from "./sandbox.ts";
import type { Stage } from "./stage.ts";
import { digestAt, editionAt, releaseAt, type Visits, whileVisited } from "./users.ts";

/** What the scenes share. */
export interface Play {
  readonly stage: Stage;
  readonly sandbox: RunningSandbox;
  /** Aborts when the demo is to end now. */
  readonly stop: AbortSignal;
  /** What the tag of the image led to when it was looked at last. */
  readonly image: { digest?: string | undefined };
}

/**
 * Shows a release that goes live, one that fails, one whose deploy is killed, and what is left of them.
 *
 * @throws {DemoFailed} as soon as something does not end as it must
 */
export async function tell(play: Play): Promise<void> {
  await showPlan(play);
  await deployFirst(play);
  const live = await deploySecond(play);
  await deployBroken(play, live);
  await pullThePlug(play, live);
  await lookBack(play, live);
}

async function showPlan(play: Play): Promise<void> {
  play.stage.heading("A plan: what would be done");
  await build(play, "--version", "1");
  await cli(play, { words: ["plan"], exit: 0 });
  play.stage.notice("Hosts and bucket are empty, so every file is new. Nothing was changed:");
  await serves(play, undefined);
  await tags(play, "leads nowhere yet");
  await shows(play, undefined);
}

async function deployFirst(play: Play): Promise<void> {
  play.stage.heading("The first release");
  const { stdout } = await cli(play, { words: deploy("edition 1"), exit: 0 });
  play.stage.notice(
    "Staged everywhere, then every pointer moved, then checked. The last line is the answer:",
  );
  await serves(play, lastLine(stdout));
  await tags(play, "leads to a new image");
  await shows(play, "1");
}

async function deploySecond(play: Play): Promise<string> {
  play.stage.heading("The next release, while visitors read the shop");
  await build(play, "--version", "2");
  const command = { words: deploy("edition 2"), exit: 0 };
  const { result, visits } = await visited(play, () => cli(play, command));
  const release = lastLine(result.stdout);
  await serves(play, release);
  await tags(play, "leads to a new image");
  await shows(play, "2");
  noneFailed(play, visits);
  return release;
}

async function deployBroken(play: Play, before: string): Promise<void> {
  play.stage.heading("A release that fails its health check");
  await build(play, "--version", "3", "--broken");
  const command = { words: deploy("edition 3, broken"), exit: 31 };
  const { visits } = await visited(play, () => cli(play, command));
  play.stage.notice(
    "31 means: failed, and rolled back everywhere, as read from all targets afterwards.",
  );
  await serves(play, before);
  await tags(play, "leads to the same image as before");
  await shows(play, "2");
  noneFailed(play, visits);
}

async function pullThePlug(play: Play, before: string): Promise<void> {
  const { stage, sandbox } = play;
  stage.heading("A deploy that is killed halfway");
  await build(play, "--version", "3");
  const { visits } = await visited(play, async () => {
    await killedWhenChecked(play, deploy("edition 3"));
    const seen = await Promise.all(sandbox.hosts.map(({ site }) => releaseAt(site)));
    const isNew = new Set(seen).size === 1 && seen[0] !== undefined && seen[0] !== before;
    stage.fact("both hosts serve the new release, and nobody has decided to keep it", isNew);
    await cli(play, { words: deploy("edition 3"), exit: 25 });
    stage.notice("25 means: a run is open, and nothing is built on top of it.");
    await cli(play, { words: ["recover"], exit: 0 });
  });
  stage.notice(
    "No durable decision, so the answer is no: everything was put back from the journal.",
  );
  await serves(play, before);
  await tags(play, "leads to the same image as before");
  await shows(play, "2");
  noneFailed(play, visits);
}

async function lookBack(play: Play, live: string): Promise<void> {
  play.stage.heading("What is live, and how it came to be");
  const status = await cli(play, { words: ["status"], exit: 0 });
  const history = await cli(play, { words: ["history"], exit: 0 });
  play.stage.fact(
    `both name ${live}`,
    [status, history].every(({ stdout }) => stdout.includes(live)),
  );
}

function deploy(message: string): readonly string[] {
  return ["deploy", "-y", "-m", message];
}

async function build({ stage, sandbox, stop }: Play, ...words: readonly string[]): Promise<void> {
  stage.command(`node shop/build.mjs build ${words.join(" ")}`);
  const { exit } = await buildShop([sandbox.artifact, ...words], {
    kill: stop,
    answer: stage.output,
  });
  stop.throwIfAborted();
  if (exit !== 0) stage.fact("the shop is built", false);
}

/** Runs a command of the CLI; how it ends is a fact. */
async function cli(
  play: Play,
  { words, exit }: { readonly words: readonly string[]; readonly exit: number },
): Promise<Ran> {
  const ran = await start(play, words, play.stop);
  play.stop.throwIfAborted();
  play.stage.fact(`exit code ${String(ran.exit)}`, ran.exit === exit);
  return ran;
}

function start(
  { stage, sandbox }: Play,
  words: readonly string[],
  kill: AbortSignal,
): Promise<Ran> {
  const [verb = "", ...rest] = words;
  const all = [verb, "-e", "production", ...rest];
  stage.command(
    `lockstep ${all.map((word) => (/^[\w-]+$/.test(word) ? word : `"${word}"`)).join(" ")}`,
  );
  const env = { ...sandbox.secrets, LOCKSTEP_DEMO: sandbox.file };
  return lockstep(all, { kill, env, answer: stage.output });
}

/** Kills a deploy when the first health check arrives: both links have moved, nothing is decided. */
async function killedWhenChecked(play: Play, words: readonly string[]): Promise<void> {
  const { stage, sandbox, stop } = play;
  const plug = new AbortController();
  for (const door of sandbox.doors) {
    door.onRequest = (path) => {
      if (path === "/health") plug.abort();
    };
  }
  stage.say(
    "This one gets kill -9 when the first health check arrives: both links have moved by then.",
  );
  const { exit } = await start(play, words, AbortSignal.any([stop, plug.signal]));
  for (const door of sandbox.doors) door.onRequest = () => undefined;
  stop.throwIfAborted();
  stage.fact("the deploy was killed", exit === null);
}

/** What both hosts serve, asked as a visitor would. */
async function serves({ stage, sandbox }: Play, wanted: string | undefined): Promise<void> {
  for (const { login, site } of sandbox.hosts) {
    const found = await releaseAt(site);
    stage.fact(`${login.name} serves ${found ?? "nothing yet"}`, found === wanted);
  }
}

type Tagged = "leads nowhere yet" | "leads to a new image" | "leads to the same image as before";

/** Where the tag of the image leads, asked of the registry. */
async function tags({ stage, sandbox, image }: Play, wanted: Tagged): Promise<void> {
  const found = await digestAt(`http://${sandbox.registry}/v2/shop/manifests/latest`);
  const moved =
    found === image.digest ? "leads to the same image as before" : "leads to a new image";
  stage.fact(`the tag ${wanted}`, (found === undefined ? "leads nowhere yet" : moved) === wanted);
  image.digest = found;
}

/** What the bucket shows to everybody. */
async function shows({ stage, sandbox }: Play, wanted: string | undefined): Promise<void> {
  const found = await editionAt(sandbox.bucket.site);
  stage.fact(
    found === undefined ? "the bucket shows nothing yet" : `the bucket shows edition ${found}`,
    found === wanted,
  );
}

function visited<T>({ sandbox }: Play, body: () => Promise<T>): ReturnType<typeof whileVisited<T>> {
  return whileVisited(
    [...sandbox.hosts, sandbox.bucket].map(({ site }) => site),
    body,
  );
}

function noneFailed({ stage }: Play, { requests, failed, slowestMs, editions }: Visits): void {
  const seen = editions.length === 1 ? "edition" : "editions";
  stage.fact(
    `${failed} of ${requests} requests failed; the slowest took ${slowestMs} ms; visitors saw ${seen} ${editions.join(", ")}`,
    failed === 0 && requests > 0,
  );
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
