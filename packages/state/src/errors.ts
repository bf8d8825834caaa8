import { type ErrorCatalogue, type LockstepError, raising, type Release } from "@lockstep/plugin";
import type { Holder } from "./surroundings.ts";

/** Every code this package raises. */
export const stateErrors: ErrorCatalogue = {
  FOREIGN_LINEAGE: {
    when: "A target carries the stamp of a run that another store counted.",
    why: "Two stores cannot tell whose run is newer, so one of them would overwrite the other.",
    fix: "Use the store of the last deploy. If it is lost, and nobody else deploys there, add `--adopt`.",
  },
  JOURNAL_UNREADABLE: {
    when: "A record of a run is missing, altered, or of a format this version does not know.",
    why: "What is to be undone is written there; guessing could destroy what is live.",
    fix: "Nothing was changed. Restore the store from a backup, or look at every target with `lockstep status`.",
  },
  LEASE_HELD: {
    when: "Another run of the same environment is going on.",
    why: "Only one run at a time may change an environment.",
    fix: "Wait with `--lock-wait 5m`, or look at the run that the message names.",
  },
  LEASE_LOST: {
    when: "Another process took the lease while this run went on, because this one had fallen silent.",
    why: "Only the newest run may change targets.",
    fix: "Look at `lockstep status`: the other run decides what is live.",
  },
  NEWER_IS_LIVE: {
    when: "A deploy brings a release that is older than the live one.",
    why: "Of two CI jobs that end in the wrong order, the older would undo the newer.",
    fix: "Deploy the newest build. To go back on purpose use `lockstep rollback`, or add `--allow-older`.",
  },
  RELEASE_QUARANTINED: {
    when: "A release is to be deployed that failed here before, or that was rolled back.",
    why: "A release is put back automatically once; a job that repeats itself must not flip production back and forth.",
    fix: "Mend it and deploy it under a new name.",
  },
  RUN_FENCED: {
    when: "Another process wrote the next record of this run's journal.",
    why: "It took the run over; this process must not touch anything any more.",
    fix: "Look at `lockstep status`.",
  },
  RUN_OPEN: {
    when: "An earlier run was killed or parked and has not been recovered.",
    why: "What it left may be half done; building on it would make the mix permanent.",
    fix: "Run `lockstep recover`.",
  },
  STORE_KEY_INVALID: {
    when: "A store was asked for a key outside of its alphabet.",
    why: "Keys become file names and object names.",
    fix: "This is a mistake in a program that uses the store.",
  },
  STORE_UNSOUND: {
    when: "On its first use a store does not keep its promises: of two writers it lets both win.",
    why: "Lease and journal stand on them; two deploys at once would both go on.",
    fix: "Use another store. An S3 service must support conditional writes (`If-None-Match`, `If-Match`).",
  },
  STORE_UNREACHABLE: {
    when: "The store that keeps lease and journal failed.",
    why: "Without it no intent can be written down, and so nothing may be changed.",
    fix: "Make the store reachable. If a run had begun, run `lockstep recover` then.",
  },
};

const raise = raising(stateErrors);

/** A target carries a stamp that another store counted. */
export function foreignLineage(target: string, unit: string | undefined): LockstepError {
  const what = `${target}${unit === undefined ? "" : ` (${unit})`}`;
  const message = `${what} was last deployed with another store.`;
  return raise("FOREIGN_LINEAGE", message, { target, unit });
}

/** Records of a run are damaged. */
export function journalUnreadable(
  run: string,
  { seq, what, cause }: { readonly seq: number; readonly what: string; readonly cause?: unknown },
): LockstepError {
  const message = `Record ${seq} of the journal of ${run} ${what}.`;
  return raise("JOURNAL_UNREADABLE", message, { cause });
}

/** Somebody else deploys. */
export function leaseHeld(environment: string, holder: Holder): LockstepError {
  const message = `${environment} is held by run ${nameOf(holder)}, since ${holder.since}.`;
  return raise("LEASE_HELD", message, { retryable: true });
}

/** The lease went to somebody else while a run went on. */
export function leaseLost(environment: string, holder: Holder): LockstepError {
  return raise(
    "LEASE_LOST",
    `The lease of ${environment} was taken over by run ${nameOf(holder)}.`,
  );
}

/** An unfinished run stands in the way. */
export function openRun(environment: string, holder: Holder): LockstepError {
  const message = `Run ${nameOf(holder)} was not finished; it began ${holder.since}.`;
  const hint = `Run \`lockstep recover -e ${environment}\`: it finishes that run or puts everything back.`;
  return raise("RUN_OPEN", message, { hint });
}

/** A newer release is live than the one to be deployed. */
export function newerIsLive(environment: string, older: Release, live: Release): LockstepError {
  const message = `${environment} runs ${live.id} (order ${live.order ?? 0}), which is newer than ${older.id} (order ${older.order ?? 0}).`;
  return raise("NEWER_IS_LIVE", message);
}

/** The release failed here before. */
export function releaseQuarantined(environment: string, id: string, why: string): LockstepError {
  return raise(
    "RELEASE_QUARANTINED",
    `Release ${id} is not deployed to ${environment} again: ${why}`,
  );
}

/** Another process recovers or unlocked while this one thought it held the journal. */
export function runFenced(run: string): LockstepError {
  return raise("RUN_FENCED", `Another process writes the journal of ${run}.`);
}

/** A key that no store may be asked for. */
export function storeKeyInvalid(key: string): LockstepError {
  return raise("STORE_KEY_INVALID", `A store has no key ${JSON.stringify(key.slice(0, 80))}.`);
}

/** The store does not keep what leases and journals stand on. */
export function storeUnsound(place: string, what: string): LockstepError {
  return raise("STORE_UNSOUND", `The store ${place} cannot be used: it ${what}.`);
}

/** The store did not answer, or refused. */
export function storeUnreachable(place: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `The store ${place} could not be used: ${reason}`;
  return raise("STORE_UNREACHABLE", message, { cause });
}

function nameOf({ run, user, machine, url }: Holder): string {
  return `${run} (${user} on ${machine}${url === undefined ? "" : `, ${url}`})`;
}
