export {
  type AnyTarget,
  checkConfig,
  type Config,
  type ConfigOrigin,
  defineConfig,
  type Environment,
  type WrittenConfig,
  type WrittenEnvironment,
} from "./config.ts";
export { coreErrors } from "./catalogue.ts";
export { deploy, planDeploy, rollback, type RunJob } from "./deploy.ts";
export type { Outcome, Result } from "./ending.ts";
export type {
  About,
  Diagnostic,
  Event,
  EventBody,
  Phase,
  PlannedTarget,
  Sink,
  StepResult,
} from "./events.ts";
export type { OnStop } from "./execute.ts";
export { nearest } from "./errors.ts";
export { EXIT, exitOf, leavesOf, toDiagnostic } from "./failures.ts";
export { type HistoryEntry, readHistory } from "./history.ts";
export { environmentOf, type Job } from "./job.ts";
export { type JournalRecord, openJournal } from "./journal.ts";
export { CONFIG_FILES, loadConfig, type LoadRequest } from "./load.ts";
export type { Difference } from "./observe.ts";
export { isEmpty, type Plan, planDigest, type PlannedFor } from "./plan.ts";
export { recover, type RecoverJob } from "./recover.ts";
export { readStatus, type Status } from "./status.ts";
export { type LocalStore, localStore, type LocalStoreOptions } from "./store-files.ts";
export { type Actor, realSurroundings, type Surroundings } from "./surroundings.ts";
