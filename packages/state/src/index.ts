export { type Admission, admit, quarantine } from "./admission.ts";
export { stateErrors } from "./errors.ts";
export { openRun } from "./errors.ts";
export {
  commitBefore,
  type Damage,
  type HistoryEntry,
  lastCommit,
  lastCommits,
  readHistory,
  verifyHistory,
} from "./history.ts";
export { getBlob, putBlob } from "./blobs.ts";
export { closeUnread, type Journal, openJournal, type Writer } from "./journal.ts";
export { reachable } from "./reachable.ts";
export { leftBy, type Lease, type LeaseState, readLease } from "./lease.ts";
export { admitForeign, lineageOf, raiseAbove } from "./lineage.ts";
export { type Difference, differencesOf, type LiveByTarget, missingUnit } from "./live.ts";
export {
  isLocalStore,
  type LocalStore,
  localStore,
  type LocalStoreOptions,
} from "./local-store.ts";
export {
  type BeginBody,
  type EndBody,
  type Entry,
  type JournalRecord,
  type RecordBodies,
  type RecordOf,
  recordsOf,
  type RecordType,
  type RevertEntry,
} from "./records.ts";
export { type Stats, statsOf } from "./stats.ts";
export {
  type Actor,
  digestOf,
  type Holder,
  realSurroundings,
  type Surroundings,
} from "./surroundings.ts";
export { type LeaseRequest, takeLease } from "./take-lease.ts";
export { unlock, type UnlockRequest } from "./unlock.ts";
