import { LockstepError } from "@lockstep/plugin";
import { reasonOf, type Where } from "./errors.ts";
import {
  fingerprintOf,
  type HostName,
  keyTypeOf,
  knownHostName,
  publicKeyText,
} from "./known-hosts.ts";
import { outputTail } from "./output.ts";

/** A key that a host showed, and where the known ones are. */
export interface Shown extends Where {
  readonly host: HostName;
  readonly key: Uint8Array;
  /** `~/.ssh/known_hosts:12`, or "the config". */
  readonly source: string;
}

/** Only a certificate authority is known for the host. */
export function hostCertificate({ name, place, key, source }: Shown): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_CERTIFICATE",
    message: `${source} knows ${place} by a certificate authority only, which needs transport: "openssh".`,
    hint: `Set it; or, if ${fingerprintOf(key)} is the fingerprint, hostKey: "${publicKeyText(key)}".`,
  });
}

/** The key is not the known one. */
export function hostKeyChanged({ name, place, host, key, source }: Shown): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_KEY_CHANGED",
    message: `${place} showed the ${keyTypeOf(key)} key ${fingerprintOf(key)}, which is not the one in ${source}.`,
    hint: `Somebody may be in between. Only if that fingerprint is right, replace the entry with: ${knownHostName(host)} ${publicKeyText(key)}`,
  });
}

/** The key is marked as revoked. */
export function hostKeyRevoked({ name, place, key, source }: Shown): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_KEY_REVOKED",
    message: `${place} showed the key ${fingerprintOf(key)}, which ${source} marks as revoked.`,
    hint: "Give the host a new key.",
  });
}

/** No key is known for the host. The hint holds the line to add. */
export function hostKeyUnknown({ name, place, host, key, source }: Shown): LockstepError {
  const text = publicKeyText(key);
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_KEY_UNKNOWN",
    message: `${place} showed the ${keyTypeOf(key)} key ${fingerprintOf(key)}, and ${source} has none for it.`,
    hint: `If that fingerprint is right, add to known_hosts: ${knownHostName(host)} ${text} — or set hostKey: "${text}"`,
  });
}

/** What the library says of a server that wants none of its algorithms. */
const NOTHING_IN_COMMON = /^Handshake failed: no matching/;

/** No connection could be made. Names that do not resolve, and servers of other ways, are not worth another try. */
export function hostUnreachable({ name, place }: Where, cause: unknown): LockstepError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const isForeign = cause instanceof Error && NOTHING_IN_COMMON.test(cause.message);
  const isLate = cause instanceof Error && cause.name === "TimeoutError";
  const reason = isLate ? "it gave no answer in time" : reasonOf(cause);
  const bound = isLate ? "; `connectTimeoutMs` is the time it has" : "";
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_UNREACHABLE",
    message: `${place} cannot be reached: ${reason}.`,
    hint: isForeign
      ? 'Set transport: "openssh": this server wants algorithms that the library ssh2 does not have.'
      : `Look at address, port, firewall and the SSH server${bound}.`,
    retryable: code !== "ENOTFOUND" && !isForeign,
    cause,
  });
}

/** The identity file cannot be used. */
export function keyUnreadable(path: string, cause: unknown): LockstepError {
  return new LockstepError({
    code: "SSH_KEY_UNREADABLE",
    message: `The identity ${path} cannot be used: ${reasonOf(cause)}.`,
    hint: 'Correct `identity`, or give `passphrase: secret("NAME")`, or add the key to the agent and set `agent: true`.',
    cause,
  });
}

/** Jump hosts lead to jump hosts without an end. */
export function jumpsEndless({ name, place }: Where, most: number): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_JUMPS_ENDLESS",
    message: `The way to ${place} leads through more than ${most} jump hosts.`,
    hint: "Look for a ProxyJump in ssh_config that leads back, or name the hosts with `jump`.",
  });
}

/** The known_hosts file cannot be read. */
export function knownHostsUnreadable({ name }: Where, path: string, cause: unknown): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_KNOWN_HOSTS_UNREADABLE",
    message: `${path} cannot be read: ${reasonOf(cause)}.`,
    hint: "Create it, name another with `knownHosts`, or pin `hostKey` for each host.",
    cause,
  });
}

/** There is nothing to log in with. */
export function noIdentity({ name, place }: Where, why: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_NO_IDENTITY",
    message: `There is nothing to log in to ${place} with: ${why}.`,
    hint: "Start an agent and add the key to it with ssh-add, or set `identity`.",
  });
}

/** ssh_config wants a program to make the connection. */
export function proxyCommandUnsupported({ name, place }: Where, address: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_PROXY_COMMAND",
    message: `ssh_config has a ProxyCommand for ${address}, which the transport ssh2 cannot use to reach ${place}.`,
    hint: 'Set transport: "openssh", or name the hosts to go through with `jump`.',
  });
}

/** The login gives no shell. */
export function shellUnusable({ name, place }: Where, said: string): LockstepError {
  const text = outputTail(said);
  return new LockstepError({
    unit: name,
    code: "SSH_SHELL_UNUSABLE",
    message: `The login at ${place} gave no shell that answers${text === "" ? "." : `: ${text}`}`,
    hint: "Try `ssh user@host sh -c true`.",
  });
}

/** ssh_config cannot be read. */
export function sshConfigUnreadable(address: string, cause: unknown): LockstepError {
  return new LockstepError({
    code: "SSH_CONFIG_UNREADABLE",
    message: `What ssh_config says about ${address} cannot be read: ${reasonOf(cause)}.`,
    hint: "Try `ssh -G` with that host, or set sshConfig: false.",
    cause,
  });
}

/** No user name is given anywhere. */
export function userMissing({ name, place }: Where): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_USER_MISSING",
    message: `There is no user name for ${place}.`,
    hint: "Set `user`.",
  });
}
