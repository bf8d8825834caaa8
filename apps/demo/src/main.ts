// What `npm start` shows: the real CLI deploys a real shop to two sandbox hosts, a registry and a bucket.
// node src/main.ts [--keep]: leaves the temporary folder behind, with everything the hosts wrote.
import { parseArgs } from "node:util";
import { type RunningSandbox, startSandbox } from "./sandbox.ts";
import { DemoFailed, openStage, type Stage } from "./stage.ts";
import { tell } from "./story.ts";

const EXIT_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const stage = openStage(process.stdout);
const stop = new AbortController();
for (const [signal, code] of Object.entries(EXIT_OF_SIGNAL)) {
  process.on(signal, () => {
    process.exitCode = code;
    stop.abort();
  });
}
process.stdout.on("error", () => {
  process.exitCode = 1; // nobody looks any more
  stop.abort();
});
await main();

async function main(): Promise<void> {
  const begun = performance.now();
  try {
    await using sandbox = await startSandbox({ keep: values.keep });
    introduce(stage, sandbox);
    await tell({ stage, sandbox, stop: stop.signal, image: {} });
    const seconds = Math.round((performance.now() - begun) / 1000);
    stage.say(
      `\nThat was all in ${seconds} s. Hosts, registry and S3 server are stopped and ${whatIsLeft(sandbox)}.`,
    );
  } catch (error) {
    if (stop.signal.aborted) stage.say("\nStopped; nothing is left running.");
    else fail(error);
  }
}

function introduce({ say }: Stage, sandbox: RunningSandbox): void {
  const { folder, hosts, artifact, registry, bucket } = sandbox;
  say("Lockstep puts one release on many targets: all of them or none.");
  say(`Here they are two hosts, with SSH and real shells, below ${folder}:`);
  for (const { login, site } of hosts) say(`  ${login.name}  ${site}`);
  say(`a container registry at ${registry}, and a bucket that everybody reads at`);
  say(`  ${bucket.site}`);
  say(`The config is apps/demo/lockstep.config.ts. It deploys what is built into ${artifact}.`);
}

function whatIsLeft({ folder }: RunningSandbox): string {
  return values.keep ? `their files are in ${folder}` : "their files are gone";
}

function fail(error: unknown): void {
  process.exitCode = 1;
  stage.say(`\nThe demo failed. ${error instanceof DemoFailed ? error.message : String(error)}`);
  if (error instanceof Error && !(error instanceof DemoFailed)) stage.say(error.stack ?? "");
}
