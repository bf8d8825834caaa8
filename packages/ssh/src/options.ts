import type { GuardName, WrittenSource } from "@lockstep/artifact";
import type { Secret } from "@lockstep/plugin";
import { z } from "zod";
import { type CheckSettings, checksField, type SshCheckOptions } from "./check-options.ts";
import {
  containerField,
  type ContainerSettings,
  type SshContainerOptions,
} from "./container-options.ts";
import {
  folderValue,
  hostOf,
  hostValue,
  loginFields,
  loginOf,
  type SshHostOptions,
  type SshLoginOptions,
  textValue as text,
} from "./login-options.ts";
import { overlaps, strangers } from "./option-problems.ts";
import type { HostSettings, LoginSettings } from "./reach.ts";
import {
  releaseFields,
  type ReleaseSettings,
  type SshEnvFileOptions,
  type SshOnceOptions,
  type SshSharedOptions,
  variables,
} from "./release-options.ts";
import {
  activationFields,
  type ActivationSettings,
  type SshRolloutOptions,
  type SshServiceOptions,
} from "./rollout-options.ts";

/** Options of {@link ssh}. */
export interface SshOptions extends SshLoginOptions {
  /** The servers: `"web-1"`, `"deploy@web-1:2222"`, `"[2001:db8::1]:22"`, or an object. */
  readonly hosts: readonly (string | SshHostOptions)[];
  /** Absolute folder on each host; `current` in it is the live release. */
  readonly path: string;
  /** Folder of the artifact, relative to the config file, or files of a git commit. Not with `container`. */
  readonly source?: WrittenSource;
  /** A container instead of files. */
  readonly container?: SshContainerOptions;
  /** What of the source stays behind, as rules of a .gitignore file. */
  readonly exclude?: readonly string[];
  /** Guards of the source that are switched off, by name. */
  readonly allow?: readonly GuardName[];
  /**
   * Where files come from that the live release has already: a `copy` on the host (default, on a file system that
   * can share blocks without taking room), a hard `link` to the file of that release, or `none` of them.
   */
  readonly base?: "copy" | "link" | "none";
  /** What outlives releases. */
  readonly shared?: SshSharedOptions;
  /** A file with variables that each release gets. */
  readonly envFile?: SshEnvFileOptions;
  /** Run in each staged release before any link moves: program and arguments, no shell. */
  readonly prepare?: readonly string[];
  /** Tasks that run once per release, on one host. */
  readonly once?: readonly SshOnceOptions[];
  /** A systemd unit that follows the link. */
  readonly service?: SshServiceOptions;
  /** Run before the link of a host moves, in both directions: takes it out of a load balancer. It may run twice. */
  readonly drain?: readonly string[];
  /** Run once its service follows the link again. It may run twice. */
  readonly undrain?: readonly string[];
  /** In which order hosts get the release. */
  readonly rollout?: SshRolloutOptions;
  /**
   * Milliseconds, 5,000 to 3,600,000, after which a host puts its link back by itself unless the run told it that
   * the release stays: for releases that could cut the host off. Default: never.
   */
  readonly confirmWithinMs?: number;
  /** Takes over a `current` that Capistrano or Deployer made, as the release to go back to. Default false. */
  readonly adopt?: boolean;
  /**
   * Run in `current` after each change of the link, in both directions: program and arguments, no shell.
   * It may run twice for one release.
   */
  readonly restart?: readonly string[];
  /** Variables for `restart` and command checks; values never appear in an argument list. */
  readonly env?: Readonly<Record<string, string | Secret>>;
  /** What must hold once the release is live. */
  readonly checks?: readonly SshCheckOptions[];
  /** Releases kept on each host, the live one included: from 2, default 5. */
  readonly keep?: number;
  /** Hosts handled side by side; default 8. */
  readonly parallel?: number;
  /**
   * Milliseconds, 1,000 to 86,400,000, that an upload, a command or a task may take; default 600,000. Waiting for a
   * service or a container to get ready comes on top.
   */
  readonly stepTimeoutMs?: number;
}

/** Checked options with every default filled in. */
export interface SshSettings extends ReleaseSettings, ActivationSettings {
  readonly hosts: readonly HostSettings[];
  readonly path: string;
  readonly source?: WrittenSource | undefined;
  readonly container?: ContainerSettings | undefined;
  readonly exclude: readonly string[];
  readonly allow: readonly GuardName[];
  readonly base: "copy" | "link" | "none";
  readonly login: LoginSettings;
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly checks: readonly CheckSettings[];
  readonly keep: number;
  readonly parallel?: number | undefined;
  readonly stepTimeoutMs: number;
}

/** Checks what a user wrote and fills in the defaults. */
export const sshSchema: z.ZodType<SshSettings> = z
  .strictObject({
    ...loginFields,
    hosts: z.array(hostValue).min(1),
    path: folderValue,
    source: z
      .union([text, z.strictObject({ git: text, directory: text.optional() })])
      .optional() as z.ZodType<WrittenSource | undefined>,
    container: containerField,
    exclude: z.array(z.string()).default([]),
    allow: z.array(z.string() as unknown as z.ZodType<GuardName>).default([]),
    base: z.enum(["copy", "link", "none"]).default("copy"),
    ...releaseFields,
    ...activationFields,
    env: variables.default({}),
    checks: checksField,
    keep: z.int().min(2).default(5),
    parallel: z.int().min(1).optional(),
    stepTimeoutMs: z.int().min(1000).max(86_400_000).default(600_000),
  })
  .transform((written): SshSettings => {
    const { hosts, ...rest } = written;
    const login = loginOf(written);
    return { ...rest, hosts: hosts.map((one) => hostOf(one, written)), login };
  })
  .superRefine((settings, context) => {
    const { hosts, source, container, confirmWithinMs } = settings;
    for (const { path, message } of [...overlaps(settings), ...strangers(hosts, settings)]) {
      context.addIssue({ code: "custom", path: [...path], message });
    }
    if (container !== undefined && confirmWithinMs !== undefined) {
      const message = "A host cannot go back to a container by itself";
      context.addIssue({ code: "custom", path: ["confirmWithinMs"], message });
    }

    if ((source === undefined) === (container === undefined)) {
      const message =
        source === undefined ? "Missing: source, or container" : "Not both of source and container";
      context.addIssue({ code: "custom", path: ["source"], message });
    }
    for (const [index, { name }] of hosts.entries()) {
      if (hosts.findIndex((other) => other.name === name) === index) continue;
      context.addIssue({
        code: "custom",
        path: ["hosts", index],
        message: `${name} is named twice; give one of them another name`,
      });
    }
  });
