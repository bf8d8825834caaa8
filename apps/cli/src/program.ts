import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "./duration.ts";
import type { Shell } from "./shell.ts";

const manifest = createRequire(import.meta.url)("../package.json") as { readonly version: string };

/** All flags of all commands; each command reads those that it has. */
export interface Flags {
  readonly env?: string;
  readonly target?: readonly string[];
  readonly config?: string;
  readonly yes?: boolean;
  readonly confirm?: string;
  readonly adopt?: boolean;
  readonly output: "text" | "json" | "ndjson";
  readonly events?: string;
  /** False with `--no-input`. */
  readonly input: boolean;
  /** Milliseconds. */
  readonly lockWait?: number;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly message?: string;
  readonly detailedExitCode?: boolean;
  readonly limit?: number;
  readonly to?: string;
  /** Name of the release to deploy. */
  readonly release?: string;
  readonly allowOlder?: boolean;
  /** Recover an open run first. */
  readonly recover?: boolean;
  /** File a plan is kept in. */
  readonly save?: string;
  readonly forward?: boolean;
  readonly retry?: boolean;
  readonly skip?: readonly string[];
  readonly accept?: boolean;
  readonly ifOpen?: boolean;
  readonly reason?: string;
  readonly verify?: boolean;
  readonly stats?: boolean;
  readonly origin?: boolean;
  readonly deep?: boolean;
}

/** A command as it was called. */
export interface Invocation {
  readonly shell: Shell;
  readonly flags: Flags;
  /** The word after the verb: a run, a code. */
  readonly word: string | undefined;
}

/** Runs one command; its exit code. */
export type RunCommand = (invocation: Invocation) => Promise<number>;

/** Parses the words and runs the command they name, loading no more than that command needs; its exit code. */
export async function runProgram(shell: Shell): Promise<number> {
  let exit = 0;
  const act: Act =
    (load, ends) =>
    async (...words) => {
      const command = words.at(-1) as Command;
      const [word] = command.args;
      const flags = command.optsWithGlobals<Flags>();
      const { reporting } = await import("./reporting.ts");
      const body = async (): Promise<number> => (await load())({ shell, flags, word });
      exit = await reporting({ shell, flags, ends }, body);
    };
  const program = describeProgram(shell, act);
  try {
    await program.parseAsync([...shell.argv], { from: "user" });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") return 2; // no command at all: the help was shown
    const [{ usage }, { reportError }] = await Promise.all([
      import("./errors.ts"),
      import("./reporting.ts"),
    ]);
    return reportError(shell, program.opts<Flags>(), usage(sentenceOf(error)));
  }
}

/** What a signal does to a command: one that reads ends at once, one that changes targets ends safely. */
export type Ends = "at once" | "safely";

/** Commander hands the command itself over last. */
type Act = (load: () => Promise<RunCommand>, ends: Ends) => (...words: unknown[]) => Promise<void>;

function describeProgram(shell: Shell, act: Act): Command {
  const program = new Command("lockstep")
    .description("Deploys everything in lockstep: one release, many targets, all of them or none.")
    .usage("<command> -e <environment> [flags]")
    .version(manifest.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help; of a command with COMMAND --help")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: shell.out, writeErr: shell.err, outputError: () => {} });
  addFlags(program);
  const add = (name: string, description: string): Command =>
    program.command(name).description(description).allowExcessArguments(false);

  addRuns(add, act);
  addRepairs(add, act);
  addLooks(add, act);
  return program;
}

type Add = (name: string, description: string) => Command;

/** What changes targets as planned. */
function addRuns(add: Add, act: Act): void {
  add("plan", "show what a deploy would do; changes nothing")
    .option("--detailed-exit-code", "exit 40 when there are changes")
    .option("--release <id>", RELEASE)
    .option("--save <file>", "keep the plan for `lockstep apply`")
    .action(act(async () => (await import("./commands/plan.ts")).runPlan, "at once"));
  add("deploy", "deploy a release: plan, confirm, apply")
    .option("-m, --message <text>", "kept in the history")
    .option("--release <id>", RELEASE)
    .option("--allow-older", OLDER)
    .option("--recover", RECOVER)
    .action(act(async () => (await import("./commands/deploy.ts")).runDeploy, "safely"));
  add("apply", "run exactly a plan that was saved with `plan --save`")
    .argument("<file>", "the saved plan")
    .option("-m, --message <text>", "kept in the history")
    .option("--allow-older", OLDER)
    .option("--recover", RECOVER)
    .action(act(async () => (await import("./commands/apply.ts")).runApply, "safely"));
  add("rollback", "make an earlier release live again, as a run of its own")
    .option("--to <release>", "release to return to; default the one before the live one")
    .option("-m, --message <text>", "kept in the history")
    .option("--recover", RECOVER)
    .action(act(async () => (await import("./commands/rollback.ts")).runRollback, "safely"));
}

/** What puts right a run that did not end. */
function addRepairs(add: Add, act: Act): void {
  add("recover", "finish or put back a run that was killed or parked")
    .argument("[run]", "name of the run; default the open one")
    .option("--forward", "go on where the run was, instead of putting it back")
    .option("--retry", "try again to put back what could not be; what recover does anyway")
    .option("--skip <unit>", "leave TARGET or TARGET/UNIT as it is; may be repeated", oneMore)
    .option("--accept", "take what is live for good and close the run")
    .option("--reason <text>", "why; for --skip and --accept")
    .option("--if-open", "exit 0 when there is nothing to recover, also when RUN is named")
    .action(act(async () => (await import("./commands/recover.ts")).runRecover, "safely"));
  add("unlock", "take the lease from a holder that is gone; its run stays open")
    .option("--reason <text>", "why; needed")
    .action(act(async () => (await import("./commands/unlock.ts")).runUnlock, "at once"));
}

/** What only looks. */
function addLooks(add: Add, act: Act): void {
  add("status", "show what is live on every target; changes nothing")
    .option("--deep", "also compare all that users get with what was deployed, file by file")
    .option("--detailed-exit-code", "exit 41 when a target serves something else than was deployed")
    .action(act(async () => (await import("./commands/status.ts")).runStatus, "at once"));
  add("doctor", "look for what would hinder a run; changes nothing").action(
    act(async () => (await import("./commands/doctor.ts")).runDoctor, "at once"),
  );
  add("history", "list the runs, the newest first")
    .option("--limit <n>", "how many runs", wholeNumber, 20)
    .option("--stats", "how often, how fast and how well this environment is deployed to")
    .option("--verify", "read every record of every run; exit 21 when one is damaged")
    .action(act(async () => (await import("./commands/history.ts")).runHistory, "at once"));
  add("config", "show the config as it was understood")
    .option("--origin", "show where each setting comes from")
    .action(act(async () => (await import("./commands/config.ts")).runConfig, "at once"));
  add("plugins", "list the plugins of the config and their versions").action(
    act(async () => (await import("./commands/plugins.ts")).runPlugins, "at once"),
  );
  add("explain", "explain an error code, or tell what a run did")
    .argument("<code|run>", "LEASE_HELD, or a run of `lockstep history`")
    .action(act(async () => (await import("./commands/explain.ts")).runExplain, "at once"));
}

const RELEASE = "name of the release; one that is live elsewhere must bring the same content";
const OLDER = "deploy although a newer release is live";
const RECOVER = "recover an open run first";

/** Flags of all commands; they may stand before or after the command. */
function addFlags(program: Command): void {
  program
    .option("-e, --env <name>", "environment; there is no default")
    .option("-t, --target <name>", "only this target; may be repeated", oneMore)
    .option("-c, --config <file>", "config file; default lockstep.config.ts, .js or .mjs here")
    .option("-y, --yes", "do not ask")
    .option("--confirm <name>", "say yes to a protected environment by its name")
    .option("--adopt", "take over targets that were deployed with another store")
    .addOption(
      new Option("--output <format>", "format of the answer on stdout")
        .choices(["text", "json", "ndjson"])
        .default("text"),
    )
    .option("--events <file>", "also write all events to a file, one JSON document a line")
    .option("--no-input", "never ask")
    .option("--lock-wait <time>", "wait for another run to end: 90s, 5m, 1h", duration)
    .option("-q, --quiet", "tell only errors and the result")
    .option("-v, --verbose", "tell everything");
}

function oneMore(name: string, names: readonly string[] | undefined): readonly string[] {
  return [...(names ?? []), name];
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("Times are written 90s, 5m or 1h.");
  return ms;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It is a number from 1.");
  return Number(text);
}

/** `error: unknown option '--evn'\n(Did you mean --env?)` → `Unknown option '--evn' (Did you mean --env?).` */
function sentenceOf({ message }: CommanderError): string {
  const text = message
    .replace(/^error: /, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?]$/.test(sentence) ? sentence : `${sentence}.`;
}
