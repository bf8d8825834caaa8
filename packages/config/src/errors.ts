import { type ErrorCatalogue, type LockstepError, type Problem, raising } from "@lockstep/plugin";
import { closest, distance } from "fastest-levenshtein";

/** Every code this package raises. */
export const configErrors: ErrorCatalogue = {
  CONFIG_BROKEN: {
    when: "The config file throws while it is loaded, or is not valid JavaScript once its types are stripped.",
    why: "Node runs the file as it is; there is no other loader.",
    fix: "Run `node lockstep.config.ts` and mend what it says. Enums, namespaces and parameter properties cannot be stripped.",
  },
  CONFIG_INVALID: {
    when: "The config has keys that do not exist, values of the wrong kind, or lacks something.",
    why: "A misspelt key that is ignored is an outage later.",
    fix: "Every problem is listed with its path; mend them all.",
  },
  CONFIG_MISSING: {
    when: "No config file is in the folder where the command was started, or at the path of `--config`.",
    why: "Nothing is searched for elsewhere.",
    fix: "Go to the folder of the config, or name the file with `--config`.",
  },
  ENVIRONMENT_UNKNOWN: {
    when: "`--env` is missing or names an environment that the config does not have.",
    why: "There is no environment by default, not even the only one.",
    fix: "Name one of the environments that the message lists.",
  },
  NODE_TOO_OLD: {
    when: "Lockstep runs on a Node below 22.18.",
    why: "Later versions load TypeScript configs by themselves; there is no other loader.",
    fix: "Install a newer Node, or add one to the project: `npm i -D node@24`.",
  },
  PLUGIN_INCOMPATIBLE: {
    when: "A plugin was built for another version of the plugin contract.",
    why: "Its steps would not keep the promises that the runner builds on.",
    fix: "Update the older of the two.",
  },
  PLUGIN_MISSING: {
    when: "The config imports a package that is not installed.",
    why: "Plugins are ordinary imports of the config.",
    fix: "Install it beside the config.",
  },
  TARGET_UNKNOWN: {
    when: "`--target` names a target that the environment does not have.",
    why: "A misspelt name must not become a smaller deploy.",
    fix: "Use one of the names that the message lists.",
  },
};

const raise = raising(configErrors);

/** The config file could not be evaluated. */
export function configBroken(file: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
  return raise("CONFIG_BROKEN", `${file} could not be loaded: ${reason}`, { cause });
}

/** The config was read and holds mistakes; all of them are listed. */
export function configInvalid(file: string, problems: readonly Problem[]): LockstepError {
  const lines = problems.map(
    ({ path, message, unknownKey, known = [] }) =>
      `  ${pathText(path)}: ${message}${unknownKey === undefined ? "" : nearest(unknownKey, known)}`,
  );
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return raise("CONFIG_INVALID", `${file} has ${count}:\n${lines.join("\n")}`, { hint: undefined });
}

/** There is no config file. */
export function configMissing(folder: string, names: readonly string[]): LockstepError {
  return raise("CONFIG_MISSING", `There is no ${names.join(", ")} in ${folder}.`);
}

/** The config has no such environment. */
export function environmentUnknown(name: string, names: readonly string[]): LockstepError {
  const message =
    name === ""
      ? "No environment is named."
      : `There is no environment ${name}.${nearest(name, names)}`;
  const hint = `Use --env with one of: ${names.join(", ")}.`;
  return raise("ENVIRONMENT_UNKNOWN", message, { hint });
}

/** This Node cannot load a config. */
export function nodeTooOld(found: string): LockstepError {
  return raise("NODE_TOO_OLD", `This is Node ${found}; Lockstep needs 22.18 or later.`);
}

/** The plugin speaks another contract. */
export function pluginIncompatible(plugin: string, found: number, wanted: number): LockstepError {
  const message = `${plugin} speaks version ${found} of the plugin contract; this Lockstep speaks ${wanted}.`;
  return raise("PLUGIN_INCOMPATIBLE", message);
}

/** The config imports a package that is not installed. */
export function pluginMissing(name: string, cause: unknown): LockstepError {
  const message = `The config imports ${name}, which is not installed.`;
  return raise("PLUGIN_MISSING", message, { hint: `npm i -D ${name}`, cause });
}

/** The environment has no such target. */
export function targetUnknown(name: string, names: readonly string[]): LockstepError {
  const hint = `Targets are: ${names.join(", ")}.`;
  return raise("TARGET_UNKNOWN", `There is no target ${name}.${nearest(name, names)}`, { hint });
}

/** ` Did you mean "region"?`, or nothing when no name is near. */
export function nearest(word: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const best = closest(word, [...names]);
  return distance(word, best) <= Math.max(2, word.length / 3) ? ` Did you mean "${best}"?` : "";
}

/** `environments.production.targets.web.hosts[0]` */
function pathText(path: Problem["path"]): string {
  const parts = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`));
  return parts.join("").replace(/^\./, "");
}
