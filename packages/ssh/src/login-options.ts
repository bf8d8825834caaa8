import { isSecret, type Secret } from "@lockstep/plugin";
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

/** How hosts are logged in to: shared by a target's hosts, and by a store. */
export interface SshLoginOptions {
  /** Who logs in; default: the user that runs Lockstep. */
  readonly user?: string;
  /** Default 22. */
  readonly port?: number;
  /** Private key file; `~/` is the home folder, other relative paths start at the config file. */
  readonly identity?: string;
  /** Passphrase of the identity. */
  readonly passphrase?: Secret;
  /** Offer the keys of the SSH agent; default: true without an identity. */
  readonly agent?: boolean;
  /** Default `~/.ssh/known_hosts`. */
  readonly knownHosts?: string;
  /** Milliseconds until a login must be usable; default 20,000. */
  readonly connectTimeoutMs?: number;
}

/** Text that a shell and a file system can hold. */
export const textValue: z.ZodString = z
  .string()
  .min(1)
  .refine((value) => !value.includes("\0"), "A NUL is not allowed");
const port = z.int().min(1).max(65_535);
const user = z.string().regex(/^[^\s@:/\0-][^\s@:/\0]*$/, "This is no user name");
const address = z.string().regex(/^(?!-)[0-9A-Za-z_.:%-]+$/, "This is no host name or address");
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

/** A secret of the config. */
export const secretValue: z.ZodType<Secret> = z.custom<Secret>(
  (value) => isSecret(value),
  "This is no secret(…)",
);

/** Of a folder that can be made, and that is not all of the host. */
function isFolder(path: string): boolean {
  const parts = path.split("/").slice(1);
  return (
    path.startsWith("/") && parts.every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** An absolute folder on a host. */
export const folderValue: z.ZodType<string> = textValue.refine(
  isFolder,
  "This is no absolute folder such as /srv/shop",
);

/** A host as it was written: what it leaves out is taken from the options for all hosts. */
export interface WrittenHost {
  readonly address: string;
  readonly name?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly hostKey?: string | undefined;
}

/** One server, short or long. */
export const hostValue: z.ZodType<WrittenHost> = z.union([shortHost, host]);

/** The options of {@link SshLoginOptions}, for the schema of an object. */
export const loginFields: {
  readonly user: z.ZodOptional<z.ZodString>;
  readonly port: z.ZodOptional<z.ZodInt>;
  readonly identity: z.ZodOptional<z.ZodString>;
  readonly passphrase: z.ZodOptional<z.ZodType<Secret>>;
  readonly agent: z.ZodOptional<z.ZodBoolean>;
  readonly knownHosts: z.ZodDefault<z.ZodString>;
  readonly connectTimeoutMs: z.ZodDefault<z.ZodInt>;
} = {
  user: user.optional(),
  port: port.optional(),
  identity: textValue.optional(),
  passphrase: secretValue.optional(),
  agent: z.boolean().optional(),
  knownHosts: textValue.default("~/.ssh/known_hosts"),
  connectTimeoutMs: z.int().min(1).default(20_000),
};

/** A host with what all hosts share filled in. */
export function hostOf(
  one: WrittenHost,
  shared: { readonly user?: string | undefined; readonly port?: number | undefined },
): HostSettings {
  return {
    ...one,
    name: one.name ?? one.address,
    port: one.port ?? shared.port ?? 22,
    user: one.user ?? shared.user,
  };
}

/** What the hosts share when they are logged in to. */
export function loginOf({
  identity,
  passphrase,
  agent,
  knownHosts,
  connectTimeoutMs,
}: Omit<LoginSettings, "agent"> & { readonly agent?: boolean | undefined }): LoginSettings {
  return {
    identity,
    passphrase,
    agent: agent ?? identity === undefined,
    knownHosts,
    connectTimeoutMs,
  };
}
