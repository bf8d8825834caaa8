import type { Json } from "./json.ts";
import type { Release, Stamp } from "./release.ts";
import type { Secret } from "./secret.ts";

/** How far a long transfer is. Told as often as the plugin likes; the runner thins it out. */
export interface Progress {
  /** Bytes done, of `totalBytes` when that is known. */
  readonly bytes?: number;
  readonly totalBytes?: number;
  /** Files, objects or layers done, of `totalItems`. */
  readonly items?: number;
  readonly totalItems?: number;
}

/** What every call to a target may use of the run. */
export interface TargetContext {
  /** Aborts when the call must end: its time is over, or the run stops. Reverts get a fresh one. */
  readonly signal: AbortSignal;
  /** When the signal aborts for lack of time, in milliseconds of {@link now}. */
  readonly deadline: number;
  /** Name of the run; empty while no run has begun (`plan`, `status`). */
  readonly run: string;
  /** Name of the environment. */
  readonly environment: string;
  /** Absolute folder of the config file: relative sources and key files start here. */
  readonly folder: string;
  /** Variables of the process that runs Lockstep, for what a platform defines (`HOME`, `SSH_AUTH_SOCK`); secrets go through {@link secret}. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The host, bucket or repository this call is about; absent for calls about the whole target. */
  readonly unit?: string | undefined;
  /** Tells people something. Whole lines or parts of lines; secrets are blanked out, also across two calls. */
  log(text: string): void;
  progress(progress: Progress): void;
  /**
   * Reads a secret and blanks it out everywhere from now on. Keep the value in memory only.
   *
   * @throws {LockstepError} `SECRET_MISSING`, `SECRET_UNREADABLE`, `SECRET_TOO_SHORT`
   */
  secret(wanted: Secret): Promise<string>;
  /** Blanks out a value that the plugin found itself: a token from a login, a signed URL. */
  mask(value: string): void;
  /** Milliseconds since 1970, UTC. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

/** What a call that only looks may use. */
export interface ReadContext<C> extends TargetContext {
  readonly connection: C;
  /** The release of the run; during a rollback the one that becomes live again. */
  readonly release: Release;
  /** What an earlier step of the same target returned in this run, by its id; absent when it has not. */
  output(stepId: string): Json | undefined;
}

/** What a call that changes the target may use besides. */
export interface WriteContext<C> extends ReadContext<C> {
  /** Goes with every write that users can see: a target refuses it once it has seen a newer one. */
  readonly stamp: Stamp;
  /** Where a long transfer got to, for a later try of the same step. */
  readonly checkpoint: {
    /** What was saved last for this step, by this or an earlier try. */
    readonly last: Json | undefined;
    /** Resolves once the value is durable in the journal. */
    save(value: Json): Promise<void>;
  };
}

/** What planning may use besides: the outputs of targets that were planned before this one. */
export interface PlanContext<C> extends ReadContext<C> {
  /**
   * Values another target's plan promises: `outputs("image")` is `{ repository, digest }`.
   * A target outside this run answers from its last commit; undefined when it never had one.
   */
  outputs(target: string): Readonly<Record<string, Json>> | undefined;
}
