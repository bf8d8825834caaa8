import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Secret, TargetContext } from "@lockstep/plugin";
import type { Where } from "./errors.ts";

/** How one host is reached and who logs in. */
export interface HostSettings {
  /** Name of the unit. */
  readonly name: string;
  readonly address: string;
  /** Default: what ssh_config says, else 22. */
  readonly port?: number | undefined;
  /** Default: what ssh_config says, else the user that runs Lockstep. */
  readonly user?: string | undefined;
  /** `ssh-ed25519 AAAA…`; then known_hosts is not read for this host. */
  readonly hostKey?: string | undefined;
  readonly labels?: readonly string[] | undefined;
}

/** What all hosts of a target share when they are connected. */
export interface LoginSettings {
  readonly transport: "ssh2" | "openssh";
  /** False for none, or the path of another file than the user's. */
  readonly sshConfig: boolean | string;
  /** Hosts to go through, in this order; undefined: what ssh_config says. */
  readonly jump?: readonly HostSettings[] | undefined;
  readonly identity?: string | undefined;
  readonly passphrase?: Secret | undefined;
  /** Offer the keys of the agent; undefined: when no identity is named. */
  readonly agent?: boolean | undefined;
  readonly knownHosts?: string | undefined;
  /** Milliseconds from the first packet to a usable login. */
  readonly connectTimeoutMs: number;
}

/** A server to connect to, and what there is to log in with. Everything is resolved; nothing was read yet. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** The only key that is accepted; then no file is asked. */
  readonly hostKey?: string | undefined;
  /** How known_hosts names the server, where that is not address and port. */
  readonly alias?: string | undefined;
  /** Absolute paths, the first being the user's. */
  readonly knownHosts: readonly string[];
  /** Absolute path of a file of keys that no host may show, not even one that is pinned. */
  readonly revokedHostKeys?: string | undefined;
  /** Absolute paths of private keys, in the order they are offered. */
  readonly identities: readonly string[];
  /** True when the identities were named by the config of the target: then they must be there. */
  readonly isIdentityNamed: boolean;
  /** Socket of the agent. */
  readonly agent?: string | undefined;
  /** True when only those keys of the agent may be offered that the identities name. */
  readonly isAgentBound: boolean;
}

/** The way to a server: first the jump hosts, in the order they are gone through. */
export interface Route {
  readonly jumps: readonly Endpoint[];
  readonly end: Endpoint;
}

/** Who wants to get somewhere. */
export interface Traveller {
  readonly where: Where;
  readonly login: LoginSettings;
  readonly ctx: TargetContext;
  readonly stop: AbortSignal;
}

/** A connection: a socket of this machine, or a channel through a jump host. */
export type MaybeSocket = Duplex & Partial<Pick<Socket, "ref" | "unref">>;
