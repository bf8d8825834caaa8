import type { GuardName, WrittenSource } from "@lockstep/artifact";
import type { Secret, Until } from "@lockstep/plugin";
import { z } from "zod";
import {
  folderValue,
  hostOf,
  hostValue,
  loginFields,
  loginOf,
  secretValue,
  type SshHostOptions,
  type SshLoginOptions,
  textValue as text,
} from "./login-options.ts";
import type { HostSettings, LoginSettings } from "./reach.ts";

/** Asks the live release through the SSH connection. */
export interface SshHttpCheckOptions {
  /** `http:` URL as the host sees it: `http://127.0.0.1:3000/health`. */
  readonly http: string;
  /** Wanted status; default 200. */
  readonly status?: number;
  /** Text that the first 64 KiB of the body must hold; `{release}` stands for the live release's id. */
  readonly body?: string;
  /** How long it is asked; default: 2 passes in a row, 500 ms apart, within 30 s. */
  readonly until?: Until;
}

/** Runs a command in the live release; it passes with status 0. */
export interface SshCommandCheckOptions {
  /** Program and arguments; no shell reads them. */
  readonly command: readonly string[];
  /** How long it is asked; default: 2 passes in a row, 500 ms apart, within 30 s. */
  readonly until?: Until;
}

/** Options of {@link ssh}. */
export interface SshOptions extends SshLoginOptions {
  /** The servers: `"web-1"`, `"deploy@web-1:2222"`, `"[2001:db8::1]:22"`, or an object. */
  readonly hosts: readonly (string | SshHostOptions)[];
  /** Absolute folder on each host; `current` in it is the live release. */
  readonly path: string;
  /** Folder of the artifact, relative to the config file, or files of a git commit. */
  readonly source: WrittenSource;
  /** What of the source stays behind, as rules of a .gitignore file. */
  readonly exclude?: readonly string[];
  /** Guards of the source that are switched off, by name. */
  readonly allow?: readonly GuardName[];
  /**
   * Where files come from that the live release has already: a `copy` on the host (default, on a file system that
   * can share blocks without taking room), a hard `link` to the file of that release, or `none` of them.
   */
  readonly base?: "copy" | "link" | "none";
  /**
   * Run in `current` after each change of the link, in both directions: program and arguments, no shell.
   * It may run twice for one release.
   */
  readonly restart?: readonly string[];
  /** Variables for `restart` and command checks; values never appear in an argument list. */
  readonly env?: Readonly<Record<string, string | Secret>>;
  /** What must hold once the release is live. */
  readonly checks?: readonly (SshHttpCheckOptions | SshCommandCheckOptions)[];
  /** Releases kept on each host, the live one included: from 2, default 5. */
  readonly keep?: number;
  /** Hosts handled side by side; default 8. */
  readonly parallel?: number;
}

/** A check with its defaults filled in. */
export type CheckSettings = (
  | { readonly http: string; readonly status: number; readonly body?: string | undefined }
  | { readonly command: readonly string[] }
) & { readonly until: Until };

/** Checked options with every default filled in. */
export interface SshSettings {
  readonly hosts: readonly HostSettings[];
  readonly path: string;
  readonly source: WrittenSource;
  readonly exclude: readonly string[];
  readonly allow: readonly GuardName[];
  readonly base: "copy" | "link" | "none";
  readonly login: LoginSettings;
  readonly restart?: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly checks: readonly CheckSettings[];
  readonly keep: number;
  readonly parallel?: number | undefined;
}

const UNTIL: Until = { successes: 2, intervalMs: 500, deadlineMs: 30_000 };

const command = z.array(z.string().refine((word) => !word.includes("\0"), "A NUL is not allowed"));
const words = command.min(1).refine(([program]) => program !== "", "The program has no name");

const until = z
  .strictObject({
    successes: z.int().min(1),
    intervalMs: z.int().min(0),
    deadlineMs: z.int().min(0),
  })
  .default(UNTIL);

const check = z.union([
  z.strictObject({
    http: z
      .string()
      .refine((value) => URL.parse(value)?.protocol === "http:", "This is no http: URL"),
    status: z.int().min(100).max(599).default(200),
    body: z.string().min(1).optional(),
    until,
  }),
  z.strictObject({ command: words, until }),
]);

/** Checks what a user wrote and fills in the defaults. */
export const sshSchema: z.ZodType<SshSettings> = z
  .strictObject({
    ...loginFields,
    hosts: z.array(hostValue).min(1),
    path: folderValue,
    source: z.union([
      text,
      z.strictObject({ git: text, directory: text.optional() }),
    ]) as z.ZodType<WrittenSource>,
    exclude: z.array(z.string()).default([]),
    allow: z.array(z.string() as unknown as z.ZodType<GuardName>).default([]),
    base: z.enum(["copy", "link", "none"]).default("copy"),
    restart: words.optional(),
    env: z
      .record(
        z.string().regex(/^[A-Za-z_][0-9A-Za-z_]*$/, "This is no name of a variable"),
        z.union([z.string().refine((value) => !value.includes("\0")), secretValue]),
      )
      .default({}),
    checks: z.array(check).default([]),
    keep: z.int().min(2).default(5),
    parallel: z.int().min(1).optional(),
  })
  .transform((written): SshSettings => {
    const { hosts, ...rest } = written;
    const login = loginOf(written);
    return { ...rest, hosts: hosts.map((one) => hostOf(one, written)), login };
  })
  .superRefine(({ hosts }, context) => {
    for (const [index, { name }] of hosts.entries()) {
      if (hosts.findIndex((other) => other.name === name) === index) continue;
      context.addIssue({
        code: "custom",
        path: ["hosts", index],
        message: `${name} is named twice; give one of them another name`,
      });
    }
  });
