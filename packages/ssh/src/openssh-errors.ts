import { LockstepError } from "@lockstep/plugin";
import { authFailed, type Where } from "./errors.ts";
import { hostUnreachable } from "./login-errors.ts";
import { lastLine, outputTail, printable } from "./output.ts";

/** The key of a host, or of a jump host, is not the known one. */
export function keyNotKnown({ name, place }: Where, said: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_KEY_CHANGED",
    message: `ssh says of the way to ${place} that a host key changed: ${lineOf(said, /has changed/)}`,
    hint: "Somebody may be in between. Compare the fingerprint with the host's own before you change known_hosts.",
  });
}

/** The key of a host, or of a jump host, is revoked. */
export function keyRevoked({ name, place }: Where, said: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_KEY_REVOKED",
    message: `ssh says of the way to ${place} that a host key is revoked: ${lineOf(said, /revoked/i)}`,
    hint: "Give the host a new key.",
  });
}

/** No key of a host, or of a jump host, is known. */
export function keyUnknown({ name, place }: Where, said: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_HOST_KEY_UNKNOWN",
    message: `ssh knows no host key on the way to ${place}: ${lineOf(said, /is known/)}`,
    hint: "Compare the fingerprint with the host's own, and add its key to known_hosts.",
  });
}

/** A passphrase cannot be handed to the ssh program. */
export function passphraseUnsupported({ name, place }: Where): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_PASSPHRASE_UNSUPPORTED",
    message: `The passphrase for ${place} cannot be given to the ssh program.`,
    hint: 'Add the key to an agent and leave `passphrase` out, or set transport: "ssh2".',
  });
}

/** There is no ssh program. */
export function programMissing({ name, place }: Where, cause: unknown): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_PROGRAM_MISSING",
    message: `There is no ssh program on this machine to reach ${place} with.`,
    hint: 'Install OpenSSH\'s client, or set transport: "ssh2".',
    cause,
  });
}

/** What the ssh of a jump host said, when that host let nobody through. */
class JumpRefusal extends Error {}

/** True when a jump host refused the login, so that nobody behind it can be reached. */
export function isJumpRefusal({ cause }: LockstepError): boolean {
  return cause instanceof JumpRefusal;
}

/** A jump host refused every key. */
export function jumpRefused({ name }: Where, jump: string, said: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_AUTH_FAILED",
    message: `the jump host ${printable(jump)} refused every key offered.`,
    hint: "Try the same login with ssh, and look at authorized_keys on the jump host.",
    cause: new JumpRefusal(lastLine(said)),
  });
}

const REFUSED = /Permission denied \(|Too many authentication failures/;

/** Whoever waits for the ssh of a jump host is left without a word; whoever was refused itself knows why. */
const CUT_OFF = /UNKNOWN port|kex_exchange_identification|banner exchange/;

/** What the ssh program meant by its last words. */
export function meaningOf(where: Where, user: string, said: string): LockstepError {
  const refused = said.search(REFUSED);
  if (refused >= 0) {
    if (!CUT_OFF.test(said.slice(refused))) return authFailed(where, user);
    const jump = /^(\S+@\S+): Permission denied/m.exec(said)?.[1];
    return jumpRefused(where, jump ?? "on the way", said);
  }
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED|has changed and you have/.test(said)) {
    return keyNotKnown(where, said);
  }
  if (/REVOKED HOST KEY|revoked by/i.test(said)) return keyRevoked(where, said);
  if (/host key is known for/.test(said)) return keyUnknown(where, said);
  return hostUnreachable(where, new Error(reasonIn(said)));
}

/** The line that says why; the last one often only says that it ended. */
function reasonIn(said: string): string {
  const why =
    /^.*(?:kex_exchange_identification|Could not resolve|Connection (?:refused|timed out)).*$/m;
  return lastLine(why.exec(said)?.[0] ?? said) || "ssh ended";
}

function lineOf(said: string, wanted: RegExp): string {
  const lines = outputTail(said).split("\n");
  return lines.findLast((line) => wanted.test(line))?.trim() ?? lastLine(said);
}
