import {
  API_VERSION,
  isStore,
  isTarget,
  type Problem,
  type Store,
  type Target,
} from "@lockstep/plugin";
import { isLocalStore, localStore } from "@lockstep/state";
import { configInvalid, environmentUnknown, nearest, pluginIncompatible } from "./errors.ts";

/** What a config file exports. */
export interface WrittenConfig {
  /** Name of what is deployed, for messages and reports. */
  readonly project: string;
  /** Each environment is a place of its own: targets, state, lease, history. */
  readonly environments: Readonly<Record<string, WrittenEnvironment>>;
}

/** One environment as a user writes it. */
export interface WrittenEnvironment {
  /** Asks for `--confirm NAME` before anything is changed. Default false. */
  readonly protected?: boolean;
  /** Where lease, journal and history are kept. Default: files beside the config; must be said in CI. */
  readonly store?: Store;
  // A target of any connection type: the runner passes to a target only what that target made.
  readonly targets: Readonly<Record<string, AnyTarget>>;
  /** Groups of targets in turn; a name alone is a group of one. Targets not named form the first group. */
  readonly order?: readonly (string | readonly string[])[];
}

/** A target whose connection type is its own business. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyTarget = Target<any>;

/** A checked config. */
export interface Config {
  readonly project: string;
  readonly environments: Readonly<Record<string, Environment>>;
  /** Name of the file it was read from. */
  readonly file: string;
}

/** One environment, checked and complete. */
export interface Environment {
  readonly name: string;
  readonly protected: boolean;
  readonly store: Store;
  readonly targets: Readonly<Record<string, AnyTarget>>;
  /** Every target in exactly one group. */
  readonly groups: readonly (readonly string[])[];
  /** Absolute folder of the config file. */
  readonly folder: string;
  /** Name of the config file. */
  readonly file: string;
  /** Keys that the file does not say. */
  readonly defaults: readonly string[];
}

/** Gives a config its type; checks nothing yet. */
export function defineConfig(config: WrittenConfig): WrittenConfig {
  return config;
}

/**
 * Finds an environment of a config.
 *
 * @throws {LockstepError} `ENVIRONMENT_UNKNOWN` with the nearest name
 */
export function environmentOf(job: {
  readonly config: Config;
  readonly environment: string;
}): Environment {
  const { environments } = job.config;
  const found = environments[job.environment];
  if (found === undefined) throw environmentUnknown(job.environment, Object.keys(environments));
  return found;
}

/** Where a config was found, and whether its state would be thrown away with the machine. */
export interface ConfigOrigin {
  /** As people know it: `lockstep.config.ts`. */
  readonly file: string;
  readonly folder: string;
  readonly ci: boolean;
}

/**
 * Checks a config and all options of all its targets.
 *
 * @throws {LockstepError} `CONFIG_INVALID` with every problem and its path, `PLUGIN_INCOMPATIBLE`
 */
export async function checkConfig(written: unknown, origin: ConfigOrigin): Promise<Config> {
  const { checkShape } = await import("./shape.ts"); // brings zod, which --help need not wait for
  const shape = checkShape(written);
  if (shape.problems !== undefined) throw configInvalid(origin.file, shape.problems);

  const { project, environments } = shape.value;
  const entries = Object.entries(environments);
  const problems = entries.flatMap(([name, environment]) =>
    problemsOf(environment, origin).map((problem) => at(problem, ["environments", name])),
  );
  if (problems.length > 0) throw configInvalid(origin.file, problems);
  return {
    project,
    file: origin.file,
    environments: Object.fromEntries(
      entries.map(([name, environment]) => [name, complete(name, environment, origin)]),
    ),
  };
}

function complete(
  name: string,
  written: WrittenEnvironment,
  { file, folder }: ConfigOrigin,
): Environment {
  const { store = localStore(), targets, order = [] } = written;
  const listed = order.map((group) => (typeof group === "string" ? [group] : group));
  const first = Object.keys(targets).filter((target) => !listed.flat().includes(target));
  return {
    name,
    protected: written.protected ?? false,
    store: isLocalStore(store) ? store.within(folder) : store,
    targets,
    groups: first.length > 0 ? [first, ...listed] : listed,
    folder,
    file,
    defaults: DEFAULTED.filter((key) => written[key] === undefined),
  };
}

const DEFAULTED = ["protected", "store", "order"] as const;

function problemsOf(environment: WrittenEnvironment, { ci }: ConfigOrigin): Problem[] {
  const { store, targets, order = [] } = environment;
  const names = Object.keys(targets);
  return [
    ...(store === undefined && ci ? [STORE_MISSING] : []),
    ...(store !== undefined && !isStore(store)
      ? [
          {
            path: ["store"],
            message: "This is not a store: use localStore(), or one that a plugin brings.",
          },
        ]
      : []),
    ...(isStore(store) && (store.ttlMs ?? LEAST_TTL_MS) < LEAST_TTL_MS
      ? [
          {
            path: ["store"],
            message: `A lease of ${store.ttlMs ?? 0} ms is too short: 2,000 at least.`,
          },
        ]
      : []),
    ...(names.length === 0 ? [{ path: ["targets"], message: "There is no target." }] : []),
    ...Object.entries(targets).flatMap(([name, target]) =>
      targetProblems(target).map((problem) => at(problem, ["targets", name])),
    ),
    ...orderProblems(order, names),
  ];
}

/** A shorter lease would be lost to an ordinary pause of the network. */
const LEAST_TTL_MS = 2000;

const STORE_MISSING: Problem = {
  path: ["store"],
  message:
    "CI machines are thrown away, and with them what is needed to recover a run. Say where state is kept: " +
    "localStore() on a machine that stays, a store that a plugin brings where several machines deploy, " +
    "or localStore({ ephemeral: true }) to do without recovery.",
};

const TARGET_KEYS = [
  "~lockstep places traits steps checks retires errors problems",
  "connect live plan fence watch doctor audit",
].flatMap((line) => line.split(" "));

function targetProblems(target: unknown): readonly Problem[] {
  if (!isTarget(target)) {
    return [
      { path: [], message: "This is not a target: call a plugin's function, such as ssh({ … })." },
    ];
  }
  const brand: { readonly api: number; readonly plugin: string } = target["~lockstep"];
  if (brand.api !== API_VERSION) throw pluginIncompatible(brand.plugin, brand.api, API_VERSION);
  if (target.problems !== undefined) return target.problems;
  const unknown = Object.keys(target).filter((key) => !TARGET_KEYS.includes(key));
  return [
    ...unknown.map((key) => ({
      path: [key],
      message: "A target has no such member.",
      unknownKey: key,
      known: TARGET_KEYS,
    })),
    ...(target.places.length === 0
      ? [{ path: ["places"], message: "The target claims no place." }]
      : []),
  ];
}

function orderProblems(
  order: NonNullable<WrittenEnvironment["order"]>,
  names: readonly string[],
): Problem[] {
  const seen = new Set<string>();
  return order.flatMap((group, index) =>
    (typeof group === "string" ? [group] : group).flatMap((name) => {
      const twice = seen.has(name);
      seen.add(name);
      const path = ["order", index];
      if (!names.includes(name))
        return [{ path, message: `There is no target ${name}.${nearest(name, names)}` }];
      return twice ? [{ path, message: `The target ${name} stands in the order twice.` }] : [];
    }),
  );
}

function at(problem: Problem, path: Problem["path"]): Problem {
  return { ...problem, path: [...path, ...problem.path] };
}
