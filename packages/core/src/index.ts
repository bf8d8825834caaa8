export {
  type AnyTarget,
  checkConfig,
  type Config,
  type ConfigOrigin,
  defineConfig,
  type Environment,
  type WrittenConfig,
  type WrittenEnvironment,
  nearest,
  CONFIG_FILES,
  loadConfig,
  type LoadRequest,
} from "@lockstep/config";
export {
  type Result,
  type About,
  type Diagnostic,
  type Event,
  type EventBody,
  type Phase,
  type PlannedTarget,
  type Sink,
  type StepResult,
  EXIT,
  exitOf,
  leavesOf,
  toDiagnostic,
} from "@lockstep/events";
export {
  type HistoryEntry,
  readHistory,
  type JournalRecord,
  openJournal,
  type LocalStore,
  localStore,
  type LocalStoreOptions,
  type Actor,
  realSurroundings,
  type Surroundings,
} from "@lockstep/state";
export { coreErrors } from "./catalogue.ts";
export { deploy, planDeploy, rollback, type RunJob } from "./deploy.ts";
export { type Outcome } from "./ending.ts";
export { type OnStop } from "./execute.ts";
export { environmentOf, type Job } from "./job.ts";
export { type Difference } from "./observe.ts";
export { isEmpty, type Plan, planDigest, type PlannedFor } from "./plan.ts";
export { recover, type RecoverJob } from "./recover.ts";
export { readStatus, type Status } from "./status.ts";
