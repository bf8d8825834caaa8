import { closeSync, openSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  type Environment,
  environmentOf,
  type Job,
  loadConfig,
  realSurroundings,
  type Sink,
} from "@lockstep/core";
import { isCI } from "std-env";
import type { Flags, Invocation } from "./program.ts";
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
  { shell, flags }: Invocation,
  sinks: readonly Sink[] = [],
): Promise<Opened> {
  const ci = isCI || isTrue(shell.env["CI"]);
  const config = await loadConfig({
    cwd: shell.cwd,
    ci,
    nodeVersion: shell.nodeVersion,
    ...(flags.config === undefined ? {} : { file: flags.config }),
  });
  const url = jobPage(shell.env);
  const who = {
    user: userOf(shell),
    machine: shell.machine,
    ...(url === undefined ? {} : { url }),
  };
  const job: Job = {
    config,
    environment: flags.env ?? "",
    surroundings: realSurroundings(shell.env, who),
    sinks,
    ...(flags.target === undefined ? {} : { targets: flags.target }),
  };
  return { job, environment: environmentOf(job), isCI: ci };
}

/** Writes every event to the file of `--events`; closed by the returned function. */
export function eventsFile(
  { cwd }: Shell,
  { events }: Flags,
): { readonly sinks: Sink[]; close(): void } {
  if (events === undefined) return { sinks: [], close: () => {} };
  const file = openSync(resolve(cwd, events), "w", 0o600);
  return {
    sinks: [(event) => void writeSync(file, `${JSON.stringify(event)}\n`)],
    close: () => closeSync(file),
  };
}

/** Folder of the config: where git is asked for the commit. */
export function folderOf({ shell, flags }: Invocation): string {
  return flags.config === undefined ? shell.cwd : dirname(resolve(shell.cwd, flags.config));
}

function userOf(shell: Shell): string {
  return shell.env["GITHUB_ACTOR"] ?? shell.env["GITLAB_USER_LOGIN"] ?? shell.user();
}

/** @see the variables that GitHub Actions, GitLab CI, Buildkite and Jenkins set in every job */
function jobPage(env: Shell["env"]): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env;
  if (server !== undefined && repository !== undefined && run !== undefined) {
    return `${server}/${repository}/actions/runs/${run}`;
  }
  return env["CI_JOB_URL"] ?? env["BUILDKITE_BUILD_URL"] ?? env["BUILD_URL"];
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0" && value !== "false";
}
