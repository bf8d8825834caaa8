import type { GuardName, WrittenSource } from "@lockstep/artifact";
import { isSecret, type Secret, type Until } from "@lockstep/plugin";
import { z } from "zod";
import { type HostSettings, isPublicKey, type LoginSettings } from "./login.ts";

/** One server. */
export interface SshHostOptions {
  /** Name or IP address. */
  readonly address: string;
  /** Name of the unit in plans and reports; default: the address. Unique within the target. */
  readonly name?: string;
  /** Default: the target's `port`. */
  readonly port?: number;
  /** Default: the target's `user`. */
  readonly user?: string;
  /** Public key of the server, `ssh-ed25519 AAAA…`; then known_hosts is not asked. */
  readonly hostKey?: string;
}

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
export interface SshOptions {
  /** The servers: `"web-1"`, `"deploy@web-1:2222"`, `"[2001:db8::1]:22"`, or an object. */
  readonly hosts: readonly (string | SshHostOptions)[];
  /** Who logs in; default: the user that runs Lockstep. */
  readonly user?: string;
  /** Default 22. */
  readonly port?: number;
  /** Absolute folder on each host; `current` in it is the live release. */
  readonly path: string;
  /** Folder of the artifact, relative to the config file, or files of a git commit. */
  readonly source: WrittenSource;
  /** What of the source stays behind, as rules of a .gitignore file. */
  readonly exclude?: readonly string[];
  /** Guards of the source that are switched off, by name. */
  readonly allow?: readonly GuardName[];
  /** Private key file; `~/` is the home folder, other relative paths start at the config file. */
  readonly identity?: string;
  /** Passphrase of the identity. */
  readonly passphrase?: Secret;
  /** Offer the keys of the SSH agent; default: true without an identity. */
  readonly agent?: boolean;
  /** Default `~/.ssh/known_hosts`. */
  readonly knownHosts?: string;
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
  /** Milliseconds until a login must be usable; default 20,000. */
  readonly connectTimeoutMs?: number;
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
  readonly login: LoginSettings;
  readonly restart?: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly checks: readonly CheckSettings[];
  readonly keep: number;
  readonly parallel?: number | undefined;
}

const UNTIL: Until = { successes: 2, intervalMs: 500, deadlineMs: 30_000 };

const text = z
  .string()
  .min(1)
  .refine((value) => !value.includes("\0"), "A NUL is not allowed");
const port = z.int().min(1).max(65_535);
const user = z.string().regex(/^[^\s@:/\0-][^\s@:/\0]*$/, "This is no user name");
const address = z.string().regex(/^(?!-)[0-9A-Za-z_.:%-]+$/, "This is no host name or address");
const command = z.array(z.string().refine((word) => !word.includes("\0"), "A NUL is not allowed"));
const words = command.min(1).refine(([program]) => program !== "", "The program has no name");

const until = z
  .strictObject({
    successes: z.int().min(1),
    intervalMs: z.int().min(0),
    deadlineMs: z.int().min(0),
  })
  .default(UNTIL);

const host = z.strictObject({
  address,
  name: z
    .string()
    .regex(/^[0-9A-Za-z][0-9A-Za-z._:-]*$/, "A name has letters, digits, dot, dash, colon")
    .optional(),
  port: port.optional(),
  user: user.optional(),
  hostKey: z
    .string()
    .refine(isPublicKey, 'This is no public key such as "ssh-ed25519 AAAA…"')
    .optional(),
});

/** `user@host:port`, `[address]:port`; a bare IPv6 address has more than one colon and no port. */
const SHORT =
  /^(?:(?<user>[^@]*)@)?(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*)|(?<bare>[^[\]]*:[^[\]]*:[^[\]]*))(?::(?<port>\d+))?$/;

const shortHost = z.string().transform((written, { issues }) => {
  const found = SHORT.exec(written)?.groups;
  const parsed = host.safeParse({
    address: found?.["v6"] ?? found?.["bare"] ?? found?.["name"] ?? "",
    user: found?.["user"],
    port: found?.["port"] === undefined ? undefined : Number(found["port"]),
  });
  if (parsed.success) return parsed.data;
  for (const { message } of parsed.error.issues) {
    issues.push({ code: "custom", message: `${written}: ${message}`, input: written });
  }
  return z.NEVER;
});

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

const secretValue = z.custom<Secret>((value) => isSecret(value), "This is no secret(…)");

/** Of a folder that can be made, and that is not all of the host. */
function isFolder(path: string): boolean {
  const parts = path.split("/").slice(1);
  return (
    path.startsWith("/") && parts.every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** Checks what a user wrote and fills in the defaults. */
export const sshSchema: z.ZodType<SshSettings> = z
  .strictObject({
    hosts: z.array(z.union([shortHost, host])).min(1),
    user: user.optional(),
    port: port.default(22),
    path: text.refine(isFolder, "This is no absolute folder such as /srv/shop"),
    source: z.union([
      text,
      z.strictObject({ git: text, directory: text.optional() }),
    ]) as z.ZodType<WrittenSource>,
    exclude: z.array(z.string()).default([]),
    allow: z.array(z.string() as unknown as z.ZodType<GuardName>).default([]),
    identity: text.optional(),
    passphrase: secretValue.optional(),
    agent: z.boolean().optional(),
    knownHosts: text.default("~/.ssh/known_hosts"),
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
    connectTimeoutMs: z.int().min(1).default(20_000),
  })
  .transform((written): SshSettings => {
    const { hosts, identity, passphrase, agent, knownHosts, connectTimeoutMs, ...rest } = written;
    return {
      ...rest,
      hosts: hosts.map((one) => ({
        ...one,
        name: one.name ?? one.address,
        port: one.port ?? written.port,
        user: one.user ?? written.user,
      })),
      login: {
        identity,
        passphrase,
        agent: agent ?? identity === undefined,
        knownHosts,
        connectTimeoutMs,
      },
    };
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
