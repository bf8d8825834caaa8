export {
  EXIT,
  exitOf,
  isFenced,
  isInconclusive,
  isRetryable,
  isStoreLost,
  leavesOf,
  toDiagnostic,
  together,
} from "./diagnostic.ts";
export {
  type About,
  createEvents,
  type Diagnostic,
  type Event,
  type EventBody,
  type Events,
  type Phase,
  type PlannedTarget,
  type Sink,
  type StepResult,
} from "./events.ts";
export { located } from "./located.ts";
export { createRedactor, type RedactedStream, type Redactor } from "./redact.ts";
export { EXIT_OF, isOpen, type Result } from "./result.ts";
