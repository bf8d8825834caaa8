import { canonicalJson, type Json } from "@lockstep/plugin";
import type { RunSettings } from "../source-options.ts";
import type { ImageConfig, Platform } from "./model.ts";

/** What the config of an image is made of. */
export interface ConfigParts {
  readonly platform: Platform;
  /** The config of the base; undefined for scratch. */
  readonly base: ImageConfig | undefined;
  /** Folder the source is put into; the default of `workdir`. */
  readonly into: string;
  readonly run: RunSettings;
  readonly layers: readonly { readonly name: string; readonly diffId: string }[];
}

/** Images are not made at a time: the same input gives the same bytes. */
const CREATED = "1970-01-01T00:00:00Z";

type JsonObject = Readonly<Record<string, Json | undefined>>;

/**
 * The config of an image: that of its base, with what the user wants otherwise. A new entrypoint drops the
 * base's command; variables and labels are added to those of the base.
 *
 * @see OCI image specification, "config.md"
 */
export function writeConfig({ platform, base, into, run, layers }: ConfigParts): Buffer {
  const old = base?.value ?? {};
  const oldConfig = (old["config"] ?? {}) as JsonObject;
  const oldHistory = Array.isArray(old["history"]) ? (old["history"] as readonly Json[]) : [];
  return Buffer.from(
    canonicalJson({
      ...pick(old, ["author", "os.version", "os.features"]),
      created: CREATED,
      os: platform.os,
      architecture: platform.architecture,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      config: { ...oldConfig, ...runConfig(oldConfig, run, into) },
      rootfs: {
        type: "layers",
        diff_ids: [...(base?.diffIds ?? []), ...layers.map(({ diffId }) => diffId)],
      },
      history: [
        ...oldHistory,
        ...layers.map(({ name }) => ({ created: CREATED, created_by: `lockstep: ${name}` })),
      ],
    }),
  );
}

function runConfig(old: JsonObject, run: RunSettings, into: string): JsonObject {
  const { entrypoint, cmd, env, labels, user, ports, stopSignal } = run;
  return {
    WorkingDir: run.workdir ?? into,
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint, Cmd: undefined }),
    ...(cmd === undefined ? {} : { Cmd: cmd }),
    ...(env === undefined ? {} : { Env: mergedEnv(old["Env"], env) }),
    ...(labels === undefined
      ? {}
      : { Labels: { ...(old["Labels"] as JsonObject | null), ...labels } }),
    ...(user === undefined ? {} : { User: user }),
    ...(ports === undefined
      ? {}
      : { ExposedPorts: { ...(old["ExposedPorts"] as JsonObject | null), ...portSet(ports) } }),
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
  };
}

function mergedEnv(old: Json | undefined, env: Readonly<Record<string, string>>): string[] {
  const lines = (Array.isArray(old) ? old : []).filter((line) => typeof line === "string");
  const names = new Set(Object.keys(env));
  return [
    ...lines.filter((line) => !names.has(line.slice(0, line.indexOf("=")))),
    ...Object.entries(env)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, value]) => `${name}=${value}`),
  ];
}

function portSet(ports: readonly (number | string)[]): JsonObject {
  return Object.fromEntries(
    ports.map((port) => [typeof port === "number" ? `${port}/tcp` : port, {}]),
  );
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.flatMap((name) => (name in from ? [[name, from[name]]] : [])));
}
