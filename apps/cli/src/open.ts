import { hostname, userInfo } from "node:os";
import { dirname, resolve } from "node:path";
import { type Config, type Environment, environmentOf, loadConfig } from "@lockstep/config";
import { type Job } from "@lockstep/core";
import { type Sink } from "@lockstep/events";
import { type Actor, realSurroundings } from "@lockstep/state";
import { openOwnFile } from "./own-file.ts";
import type { Invocation } from "./program.ts";
import type { Shell } from "./shell.ts";

/** What every command on an environment begins with. */
export interface Opened {
  readonly job: Job;
  readonly environment: Environment;
  readonly isCI: boolean;
}

/**
 * Loads the config and finds the environment.
 *
 * @throws {LockstepError} as `loadConfig` does, and `ENVIRONMENT_UNKNOWN`
 */
export async function open(
  invocation: Invocation,
  sinks: readonly Sink[] = [],
  env: string = invocation.flags.env ?? "",
): Promise<Opened> {
  const { shell, flags } = invocation;
  const config = await configOf(invocation);
  const job: Job = {
    config,
    environment: env,
    surroundings: realSurroundings(shell.env, actorOf(shell.env)),
    sinks,
    ...(flags.target === undefined ? {} : { targets: flags.target }),
  };
  const environment = environmentOf(job);
  const { store } = environment;
  // Calls of targets have a time limit; what a store is asked has none of ours.
  shell.awaits(`the store of ${store["~lockstep"].plugin} (${store.place})`);
  return { job, environment, isCI: await shell.isCI() };
}

/**
 * Loads the config that the flags name, or the one in this folder.
 *
 * @throws {LockstepError} as `loadConfig` does
 */
export async function configOf({ shell, flags }: Invocation): Promise<Config> {
  shell.awaits(`the config ${flags.config ?? "of this folder"} to be loaded`);
  return loadConfig({
    cwd: shell.cwd,
    ci: await shell.isCI(),
    nodeVersion: shell.nodeVersion,
    ...(flags.config === undefined ? {} : { file: flags.config }),
  });
}

/** The file of `--events`. */
export interface EventsFile extends Disposable {
  /** Writes every event as one line of JSON; none without the flag. */
  readonly sinks: readonly Sink[];
}

/**
 * Opens the file that gets every event, for its owner only.
 *
 * @throws {LockstepError} `USAGE` when it cannot be written
 */
export function eventsFile({ shell, flags }: Invocation): EventsFile {
  if (flags.events === undefined) return { sinks: [], [Symbol.dispose]: () => {} };
  const file = openOwnFile(shell, flags.events);
  return {
    sinks: [(event) => file.write(`${JSON.stringify(event)}\n`)],
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/** Folder of the config: where git is asked for the commit. */
export function folderOf({ shell, flags }: Invocation): string {
  return flags.config === undefined ? shell.cwd : dirname(resolve(shell.cwd, flags.config));
}

function actorOf(env: Shell["env"]): Actor {
  const url = jobPage(env);
  const user = env["GITHUB_ACTOR"] ?? env["GITLAB_USER_LOGIN"] ?? accountName(env);
  return { user, machine: hostname(), ...(url === undefined ? {} : { url }) };
}

function accountName(env: Shell["env"]): string {
  try {
    return userInfo().username;
  } catch {
    return env["USER"] ?? "unknown"; // a container may run under a number that has no name
  }
}

/** @see the variables that GitHub Actions, GitLab CI, Buildkite and Jenkins set in every job */
function jobPage(env: Shell["env"]): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env;
  if (server !== undefined && repository !== undefined && run !== undefined) {
    return `${server}/${repository}/actions/runs/${run}`;
  }
  return env["CI_JOB_URL"] ?? env["BUILDKITE_BUILD_URL"] ?? env["BUILD_URL"];
}
