import { LockstepError } from "@lockstep/plugin";
import type { Ran } from "./host.ts";
import { lastLine, outputTail, printable } from "./output.ts";
import { quote, readable } from "./shell.ts";

/** Which host an error is about: its unit and its place. */
export interface Where {
  readonly name: string;
  readonly place: string;
}

/** What an error says. */
export interface Fields {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** An error about one host. */
export function failure({ name }: Where, fields: Fields): LockstepError {
  return new LockstepError({ ...fields, unit: name });
}

/** The host refused every key. */
export function authFailed(where: Where, user: string): LockstepError {
  return failure(where, {
    code: "SSH_AUTH_FAILED",
    message: `${where.place} refused every key offered for the user ${printable(user)}.`,
    hint: "Try the same login with ssh, and look at authorized_keys on the host.",
  });
}

/** The user's command ended badly; its output is cut and free of control characters. */
export function commandFailed(
  where: Where,
  command: readonly string[],
  { status, stdout, stderr }: Ran,
): LockstepError {
  const output = outputTail(`${stdout}\n${stderr}`);
  return failure(where, {
    code: "SSH_COMMAND_FAILED",
    message: `${readable(command)} ended with status ${status} on ${where.place}${output === "" ? "." : `:\n${output}`}`,
    hint: "Run it on the host as the same user.",
  });
}

/** The engine refused, or the container did not get ready. */
export function containerFailed(where: Where, name: string, output: string): LockstepError {
  return failure(where, {
    code: "SSH_CONTAINER_FAILED",
    message: `${printable(name)} failed on ${where.place}${output === "" ? "." : `:\n${output}`}`,
    hint: "Run it on the host as the same user.",
  });
}

/** The connection ended while a call was under way: what became of it is unknown. */
export function connectionLost(where: Where, cause: unknown): LockstepError {
  return failure(where, {
    code: "SSH_CONNECTION_LOST",
    message: `The connection to ${where.place} was lost: ${reasonOf(cause)}.`,
    hint: "Deploy again, or run `lockstep recover` when the run is open.",
    retryable: true,
    cause,
  });
}

/** `current` is not ours; where it leads to a release of another tool it could be adopted. */
export function currentForeign(where: Where, what: string, adoptable = false): LockstepError {
  const adopt =
    "Set `adopt: true` in the options of this target to take it over as it is; the flag `--adopt` alone does not. Else move";
  return failure(where, {
    code: "SSH_CURRENT_FOREIGN",
    message: `\`current\` below ${where.place} ${printable(what)}.`,
    hint: `Nothing was removed. ${adoptable ? adopt : "Move"} it away on the host, or choose another path.`,
  });
}

/** No room on the host. */
export function diskFull(where: Where, found: string): LockstepError {
  return failure(where, {
    code: "SSH_DISK_FULL",
    message: `The disk of ${where.place} is too full: ${printable(found)}.`,
    hint: "Free space on the host, or keep fewer releases with `keep`.",
  });
}

/** A run of another store is at work; `heldBy` is the last sign of life it gave: age in seconds, run, since when, who. */
export function hostHeld(where: Where, heldBy: string, leaseSeconds: number): LockstepError {
  const [age = "", run = "", since = "", ...who] = printable(heldBy).split(" ");
  return failure(where, {
    code: "SSH_HOST_HELD",
    message: `${where.place} is held by run ${run} (${who.join(" ")}) of another store, since ${since}; its last sign of life came ${age} s ago.`,
    hint: `Wait until it has ended. One that died is let go of ${leaseSeconds} s after its last sign of life.`,
    retryable: true,
  });
}

/** No digest is known for an image. */
export function imageUnknown(written: string): LockstepError {
  return new LockstepError({
    code: "SSH_IMAGE_UNKNOWN",
    message: `${printable(written)} is neither an image with a digest nor a target that gives one.`,
    hint: "Write name@sha256:…, or name a registry target that comes before this one in `order`.",
  });
}

/** Nothing is laid out at the path, where a run had done so. */
export function layoutUnknown(where: Where, found: string): LockstepError {
  return failure(where, {
    code: "SSH_LAYOUT_UNKNOWN",
    message: `The layout of ${where.place} is ${printable(found)}, where "1" is known.`,
    hint: "Use the version of @lockstep/ssh that laid it out, or choose another path.",
  });
}

/** The account may not write; the hint holds the exact command for an administrator. */
export function pathDenied(
  where: Where,
  { path, user, group }: { readonly path: string; readonly user: string; readonly group: string },
): LockstepError {
  const owner = `-o ${quote(user)} -g ${quote(group)}`;
  return failure(where, {
    code: "SSH_PATH_DENIED",
    message: `The user ${printable(user)} may not write to ${where.place}.`,
    hint: `An administrator has to run on the host: sudo install -d ${owner} -m 755 ${quote(path)}`,
  });
}

/** A release to return to is not on the host any more. */
export function releaseGone(where: Where, release: string): LockstepError {
  return failure(where, {
    code: "SSH_RELEASE_GONE",
    message: `${where.place} no longer keeps the release ${printable(release)}.`,
    hint: "Deploy that version anew.",
  });
}

/** The id is in use for another content. */
export function releaseTaken(where: Where, release: string): LockstepError {
  return failure(where, {
    code: "SSH_RELEASE_TAKEN",
    message: `${where.place} has another content under the release id ${printable(release)}.`,
    hint: "Deploy with a new release id.",
  });
}

/** What tools print for ENOSPC and EDQUOT; GNU tar goes on after it, and says more. */
const NO_ROOM = /No space left on device|[Qq]uota exceeded/;

/** A script failed; full disks and missing rights get their own code. */
export function remoteFailed(where: Where, what: string, ran: Ran): LockstepError {
  const full = ran.stderr.split("\n").find((line) => NO_ROOM.test(line));
  if (full !== undefined) return diskFull(where, lastLine(full));
  const said = lastLine(ran.stderr);
  return failure(where, {
    code: "SSH_REMOTE_FAILED",
    message: `${what} failed on ${where.place} with status ${ran.status}${said === "" ? "" : `: ${said}`}.`,
    hint: "The text after the status comes from the host.",
  });
}

/** A folder of the layout is a mount of its own. */
export function splitFilesystem(where: Where, mounts: readonly string[]): LockstepError {
  return failure(where, {
    code: "SSH_SPLIT_FILESYSTEM",
    message: `${where.place} spans several file systems: ${printable(mounts.join(", "))}.`,
    hint: "Mount the whole path, not a folder in it.",
  });
}

/** The host took too long; what was asked of it may still happen. */
export function timedOut(where: Where, what: string, cause?: unknown): LockstepError {
  return failure(where, {
    code: "SSH_TIMEOUT",
    message: `${where.place} took too long for ${what}.`,
    hint: "Look at the load of the host, then deploy again.",
    retryable: true,
    cause,
  });
}

/** Programs are missing. */
export function toolMissing(where: Where, tools: readonly string[]): LockstepError {
  return failure(where, {
    code: "SSH_TOOL_MISSING",
    message: `${where.place} lacks ${tools.join(", ")}.`,
    hint: "Install what is missing: coreutils, tar and gzip, or busybox.",
  });
}

/** The SSH server forbids forwarding. */
export function tunnelDenied(where: Where): LockstepError {
  return failure(where, {
    code: "SSH_TUNNEL_DENIED",
    message: `The SSH server of ${where.place} does not forward connections.`,
    hint: "Set `AllowTcpForwarding local` for the account, or use a command as check.",
  });
}

/** The unit did not become active. */
export function serviceNotReady(where: Where, unit: string, found: string): LockstepError {
  return failure(where, {
    code: "SSH_SERVICE_NOT_READY",
    message: `${printable(unit)} on ${where.place} did not become active: ${printable(found)}.`,
    hint: `Run on the host: systemctl status ${unit}`,
  });
}

/** Some file is missing, short, different or too many. */
export function uploadIncomplete(where: Where, found: string): LockstepError {
  return failure(where, {
    code: "SSH_UPLOAD_INCOMPLETE",
    message: `What arrived on ${where.place} is not what was sent: ${lastLine(found)}.`,
    hint: "Deploy again. If it repeats, look at the disk of the host.",
    retryable: true,
  });
}

/** The link went back, and what follows it did not: the release may still be in use. */
export function wayBackOpen(where: Where, release: string): LockstepError {
  return failure(where, {
    code: "SSH_WAY_BACK_OPEN",
    message: `${where.place} keeps the release ${printable(release)}: what follows the link did not come back, and may still use it.`,
    hint: "Mend what failed on the host, then run `lockstep recover`: it is run again, and the release is removed.",
  });
}

/** Nobody confirmed in time. */
export function wentBack(where: Where, release: string): LockstepError {
  return failure(where, {
    code: "SSH_WENT_BACK",
    message: `${where.place} went back from ${printable(release)} by itself: nobody confirmed it in time.`,
    hint: "Deploy again, with a longer `confirmWithinMs` if the checks need it.",
  });
}

/** Why something failed, in a few words, without what a terminal would act on. */
export function reasonOf(cause: unknown): string {
  // Node tries every address of a name and gathers what came of it, without a text of its own
  if (cause instanceof AggregateError && cause.message === "") return reasonOf(cause.errors[0]);
  if (!(cause instanceof Error)) return "no reason was given";
  const said = lastLine(cause.message).replace(/\.$/, "");
  return SYSTEM.exec(said)?.groups?.["text"] ?? said;
}

/** How Node reports what the system refused: the message around it names the file already. */
const SYSTEM = /^E[A-Z0-9]+: (?<text>.+), \w+(?: '.*')?$/;
