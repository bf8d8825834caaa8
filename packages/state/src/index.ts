export { stateErrors } from "./errors.ts";
export { openRun } from "./errors.ts";
export { type BeginBody, type HistoryEntry, lastCommit, readHistory } from "./history.ts";
export {
  getBlob,
  type Journal,
  type JournalRecord,
  openJournal,
  putBlob,
  reachable,
  type Writer,
} from "./journal.ts";
export {
  isLeft,
  type Lease,
  type LeaseRequest,
  type LeaseState,
  readLease,
  takeLease,
} from "./lease.ts";
export { highestEpoch, lineageOf, type LiveByTarget, refuseForeign } from "./lineage.ts";
export {
  isLocalStore,
  type LocalStore,
  localStore,
  type LocalStoreOptions,
} from "./local-store.ts";
export {
  type Actor,
  digestOf,
  type Holder,
  realSurroundings,
  type Surroundings,
} from "./surroundings.ts";
