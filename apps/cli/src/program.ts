import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
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

/** Parses the words and runs the command they name. Loads no more than that command needs. */
export async function runProgram(shell: Shell): Promise<number> {
  let exit = 0;
  const program = describeProgram(shell, (load) => async (...words: unknown[]) => {
    const command = words.at(-1) as Command;
    const [word] = command.args;
    const flags = command.optsWithGlobals<Flags>();
    const { reporting } = await import("./reporting.ts");
    exit = await reporting(shell, flags, async () => (await load())({ shell, flags, word }));
  });
  try {
    await program.parseAsync([...shell.argv], { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

type Act = (load: () => Promise<RunCommand>) => (...words: unknown[]) => Promise<void>;

function describeProgram(shell: Shell, act: Act): Command {
  const program = new Command("lockstep")
    .description("Deploys everything in lockstep: one release, many targets, all of them or none.")
    .version(manifest.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: shell.out, writeErr: shell.err })
    .showHelpAfterError("(lockstep --help lists the commands)");
  const add = (name: string, description: string): Command =>
    program.command(name).description(description).exitOverride().allowExcessArguments(false);

  changing(placed(add("deploy", "deploy a release: plan, confirm, apply")))
    .option("-m, --message <text>", "kept in the history")
    .action(act(async () => (await import("./commands/deploy.ts")).runDeploy));
  placed(add("plan", "show what a deploy would do; changes nothing"))
    .option("--detailed-exit-code", "exit 40 when there are changes")
    .action(act(async () => (await import("./commands/plan.ts")).runPlan));
  placed(add("status", "show what is live on every target; changes nothing"))
    .option("--detailed-exit-code", "exit 41 when a target serves something else than was deployed")
    .action(act(async () => (await import("./commands/status.ts")).runStatus));
  common(add("history", "list the runs, the newest first"))
    .option("--limit <n>", "how many runs", wholeNumber, 20)
    .action(act(async () => (await import("./commands/history.ts")).runHistory));
  changing(placed(add("rollback", "make an earlier release live again, as a run of its own")))
    .option("--to <release>", "release to return to; default the one before the live one")
    .option("-m, --message <text>", "kept in the history")
    .action(act(async () => (await import("./commands/rollback.ts")).runRollback));
  common(add("recover", "finish or put back a run that was killed or parked").argument("[run]"))
    .addOption(eventsOption())
    .action(act(async () => (await import("./commands/recover.ts")).runRecover));
  common(
    add("explain", "explain an error code, or tell the story of a run").argument("<code|run>"),
  ).action(act(async () => (await import("./commands/explain.ts")).runExplain));
  return program;
}

/** Flags of every command. */
function common(command: Command): Command {
  return command
    .option("-e, --env <name>", "environment; there is no default")
    .option("-c, --config <file>", "config file; default lockstep.config.ts, .js or .mjs here")
    .addOption(
      new Option("--output <format>", "format of the answer on stdout")
        .choices(["text", "json", "ndjson"])
        .default("text"),
    )
    .option("-q, --quiet", "tell only errors and the result")
    .option("-v, --verbose", "tell everything")
    .option("--no-input", "never ask");
}

function placed(command: Command): Command {
  return common(command).option(
    "-t, --target <name>",
    "only this target; may be repeated, the others keep what they have",
    (name: string, names: readonly string[] | undefined) => [...(names ?? []), name],
  );
}

function changing(command: Command): Command {
  return command
    .option("-y, --yes", "do not ask")
    .option("--confirm <name>", "say yes to a protected environment by its name")
    .option("--adopt", "take over targets that were deployed with another store")
    .option("--lock-wait <time>", "wait for another run to end: 90s, 5m, 1h", duration)
    .addOption(eventsOption());
}

function eventsOption(): Option {
  return new Option("--events <file>", "write all events to a file, one JSON document a line");
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

function duration(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  if (digits === undefined) throw new InvalidArgumentError("Times are written 90s, 5m or 1h.");
  return Number(digits) * (UNITS[unit] ?? 1000);
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new InvalidArgumentError("It must be a whole number from 1.");
  return Number(text);
}
