export { coreErrors } from "./catalogue.ts";
export { apply, deploy, planDeploy, rollback, type RunJob } from "./deploy.ts";
export { type Outcome } from "./ending.ts";
export { type OnStop } from "./execute.ts";
export { examine, type Job } from "./job.ts";
export { isEmpty, type Plan, planDigest, type PlannedFor } from "./plan.ts";
export { recover, type RecoverJob } from "./recover.ts";
export { readStatus, type Status } from "./status.ts";
export type { Delivery } from "./wish.ts";
