import { type Config, type Environment, environmentOf } from "@lockstep/config";
import { safeText, tableText } from "./text.ts";

/** One setting of a config: where it stands, what it is, and who said so. */
export interface Setting {
  /** As in the config: `environments.production.targets.api`. */
  readonly path: string;
  readonly value: string;
  /** Name of the config file, or `default`. */
  readonly origin: string;
}

/** Every setting that decides what a run does, in the order of the file; options of targets stay theirs. */
export function describeConfig(config: Config, only?: string): readonly Setting[] {
  const settings = environmentsOf(config, only).flatMap((environment) => settingsOf(environment));
  return [{ path: "project", value: config.project, origin: config.file }, ...settings];
}

/** The settings as a table. */
export function configTable(settings: readonly Setting[], withOrigin: boolean): string {
  return tableText(
    settings.map(({ path, value, origin }) =>
      [path, value, ...(withOrigin ? [origin] : [])].map(safeText),
    ),
  );
}

function settingsOf(environment: Environment): Setting[] {
  const { name, file, defaults, store, targets, groups } = environment;
  const setting = (key: string, value: string): Setting => ({
    path: `environments.${name}.${key}`,
    value,
    origin: defaults.includes(key) ? "default" : file,
  });
  return [
    setting("protected", String(environment.protected)),
    setting("store", `${store["~lockstep"].plugin} ${store.place}`),
    ...Object.entries(targets).map(([target, { "~lockstep": brand, places }]) =>
      setting(`targets.${target}`, `${brand.plugin} ${places.join(" ")}`),
    ),
    setting("order", groups.map((group) => group.join(" + ")).join(", then ")),
  ];
}

/** A plugin and what the config uses it for. */
export interface UsedPlugin {
  readonly plugin: string;
  readonly version: string;
  /** Version of the plugin contract it speaks. */
  readonly api: number;
  /** `production.api`, `production.store`. */
  readonly used: readonly string[];
}

/** The plugins of a config, by name and version. */
export function pluginsOf(config: Config, only?: string): readonly UsedPlugin[] {
  const uses = environmentsOf(config, only).flatMap(({ name, store, targets }) => [
    { brand: store["~lockstep"], use: `${name}.store` },
    ...Object.entries(targets).map(([target, { "~lockstep": brand }]) => ({
      brand,
      use: `${name}.${target}`,
    })),
  ]);
  const plugins = new Map<string, UsedPlugin>();
  for (const { brand, use } of uses) {
    const { plugin, version, api } = brand;
    const key = `${plugin} ${version}`;
    plugins.set(key, { plugin, version, api, used: [...(plugins.get(key)?.used ?? []), use] });
  }
  return [...plugins.keys()].toSorted().flatMap((key) => plugins.get(key) ?? []);
}

function environmentsOf(config: Config, only: string | undefined): readonly Environment[] {
  return only === undefined
    ? Object.values(config.environments)
    : [environmentOf({ config, environment: only })];
}
