import type { Release } from "@lockstep/plugin";
import { memoryTarget } from "@lockstep/testkit";
import {
  deploy,
  recover,
  rollback,
  type Outcome,
  type RecoverJob,
  type RunJob,
} from "../../src/index.ts";

/** What the model needs of an engine: the real one, or a copy that lacks one of its rules. */
export interface Engine {
  deploy(job: RunJob & { readonly release: Release }): Promise<Outcome>;
  rollback(job: RunJob): Promise<Outcome>;
  recover(job: RecoverJob): Promise<Outcome>;
  readonly memoryTarget: typeof memoryTarget;
}

/** The engine as it is shipped. */
export const realEngine: Engine = { deploy, rollback, recover, memoryTarget };
