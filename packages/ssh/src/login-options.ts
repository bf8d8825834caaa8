import { isSecret, type Secret } from "@lockstep/plugin";
import { z } from "zod";
import { isPublicKey } from "./known-hosts.ts";
import type { HostSettings, LoginSettings } from "./reach.ts";
import { parseShortHost, type WrittenHost } from "./short-host.ts";

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
  /** Words by which other options mean this host: `["canary"]`. */
  readonly labels?: readonly string[];
}

/** How hosts are logged in to: shared by a target's hosts, and by a store. */
export interface SshLoginOptions {
  /** Who logs in; default: what ssh_config says, else the user that runs Lockstep. */
  readonly user?: string;
  /** Default: what ssh_config says, else 22. */
  readonly port?: number;
  /**
   * What speaks SSH: the library `ssh2`, or the `ssh` program of this machine, for certificates, security keys,
   * `ProxyCommand` and servers that only exchange keys in ways the library does not know. Default `ssh2`.
   */
  readonly transport?: "ssh2" | "openssh";
  /** Whether ssh_config is read, or the path of another file than the user's; default true. */
  readonly sshConfig?: boolean | string;
  /** Hosts to go through, in this order: `"ops@bastion:2222"`; default: `ProxyJump` of ssh_config. `[]` is none. */
  readonly jump?: string | SshHostOptions | readonly (string | SshHostOptions)[];
  /** Private key file; `~/` is the home folder, other relative paths start at the config file. */
  readonly identity?: string;
  /** Passphrase of the identity. */
  readonly passphrase?: Secret;
  /** Offer the keys of the SSH agent; default: true where no identity is named. */
  readonly agent?: boolean;
  /** Default: the files that ssh_config names, `~/.ssh/known_hosts` at first. */
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
  labels: z.array(z.string().min(1)).optional(),
});

const shortHost = z.string().transform((written, { issues }) => {
  const parsed = host.safeParse(parseShortHost(written));
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

/** One server, short or long. */
export const hostValue: z.ZodType<WrittenHost> = z.union([shortHost, host]);

/** The options of {@link SshLoginOptions}, for the schema of an object. */
export const loginFields: {
  readonly user: z.ZodOptional<z.ZodString>;
  readonly port: z.ZodOptional<z.ZodInt>;
  readonly identity: z.ZodOptional<z.ZodString>;
  readonly passphrase: z.ZodOptional<z.ZodType<Secret>>;
  readonly agent: z.ZodOptional<z.ZodBoolean>;
  readonly knownHosts: z.ZodOptional<z.ZodString>;
  readonly transport: z.ZodDefault<z.ZodEnum<{ ssh2: "ssh2"; openssh: "openssh" }>>;
  readonly sshConfig: z.ZodDefault<z.ZodUnion<readonly [z.ZodBoolean, z.ZodString]>>;
  readonly jump: z.ZodOptional<z.ZodType<readonly WrittenHost[]>>;
  readonly connectTimeoutMs: z.ZodDefault<z.ZodInt>;
} = {
  user: user.optional(),
  port: port.optional(),
  identity: textValue.optional(),
  passphrase: secretValue.optional(),
  agent: z.boolean().optional(),
  knownHosts: textValue.optional(),
  transport: z.enum(["ssh2", "openssh"]).default("ssh2"),
  sshConfig: z.union([z.boolean(), textValue]).default(true),
  jump: z.union([z.array(hostValue), hostValue.transform((one) => [one])]).optional(),
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
    port: one.port ?? shared.port,
    user: one.user ?? shared.user,
  };
}

/** What the hosts share when they are logged in to. */
export function loginOf({
  jump,
  ...written
}: Omit<LoginSettings, "jump"> & {
  readonly jump?: readonly WrittenHost[] | undefined;
}): LoginSettings {
  const { transport, sshConfig, identity, passphrase, agent, knownHosts, connectTimeoutMs } =
    written;
  return {
    transport,
    sshConfig,
    jump: jump?.map((one) => hostOf(one, {})),
    identity,
    passphrase,
    agent,
    knownHosts,
    connectTimeoutMs,
  };
}
