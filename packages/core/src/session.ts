import { type AnyTarget, type Environment } from "@lockstep/config";
import { type About, type Events, located, type Redactor, toDiagnostic } from "@lockstep/events";
import {
  type PlanContext,
  readSecret,
  type TargetContext,
  type WriteContext,
} from "@lockstep/plugin";
import { type Surroundings } from "@lockstep/state";
import { stepTimedOut } from "./errors.ts";

/** Milliseconds for one call of a step that says nothing about its time. */
export const DEFAULT_TIMEOUT_MS = 600_000;

/** Milliseconds for closing the connection of one target. */
const CLOSE_TIMEOUT_MS = 10_000;

/** How long, in milliseconds, a call may take to notice that its signal aborted. */
const GRACE_MS = 2_000;

/** What a session is opened with. */
export interface SessionParts {
  readonly environment: Environment;
  /** Names of the targets that take part. */
  readonly selected: readonly string[];
  readonly surroundings: Surroundings;
  readonly events: Events;
  readonly redactor: Redactor;
}

/** Everything a command shares while it talks to targets. */
export interface Session extends SessionParts, AsyncDisposable {
  readonly targets: ReadonlyMap<string, Connected>;
}

/** A target and what its `connect` returned. */
export interface Connected {
  readonly name: string;
  readonly target: AnyTarget;
  readonly connection: AsyncDisposable;
}

/** What a call is about and what it may use of the run. */
export interface CallScope extends About, Partial<Omit<typeof NOTHING, "connection">> {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/** The widest context; each call is typed to see only its part. */
export type CallContext = WriteContext<AsyncDisposable> & PlanContext<AsyncDisposable>;

/** Connects the selected targets; nothing is changed by it. */
export async function openSession(parts: SessionParts): Promise<Session> {
  const targets = new Map<string, Connected>();
  const close = async (): Promise<void> => {
    for (const { name: target, connection } of targets.values()) {
      const scope = { target, timeoutMs: CLOSE_TIMEOUT_MS };
      // A plugin that hangs now must not hide how the run ended.
      await call({ ...parts, targets }, scope, async () => connection[Symbol.asyncDispose]()).catch(
        (error: unknown) =>
          parts.events.emit({ type: "diagnostic", ...toDiagnostic(error, "warning") }),
      );
    }
  };
  try {
    for (const name of parts.selected) {
      const target = parts.environment.targets[name];
      if (target === undefined) continue;
      const scope = { target: name };
      const connection = await call({ ...parts, targets }, scope, (ctx) => target.connect(ctx));
      targets.set(name, { name, target, connection });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { ...parts, targets, [Symbol.asyncDispose]: close };
}

/**
 * Calls a target with a context of its own: signal, deadline, redacted log.
 *
 * @throws {LockstepError} what the target threw, with target, unit and step; `STEP_TIMED_OUT` when it does
 *   not even end after its signal aborted: what it did is then unknown
 */
export async function call<T>(
  session: SessionParts & { readonly targets: ReadonlyMap<string, Connected> },
  scope: CallScope,
  make: (ctx: CallContext) => Promise<T>,
): Promise<T> {
  const { surroundings } = session;
  const timeoutMs = scope.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const limit = new AbortController(); // linked by hand: composed signals cost more than the rest of a call
  const done = new AbortController();
  const overdue = awaitOverdue(surroundings, timeoutMs, { limit, done: done.signal });
  overdue.catch(() => undefined);
  const stop = (): void => limit.abort(scope.signal?.reason);
  if (scope.signal?.aborted === true) stop();
  else scope.signal?.addEventListener("abort", stop, { once: true });
  const log = session.redactor.stream();
  const tell = (text: string): void => {
    if (text !== "") session.events.emit({ type: "step.log", ...aboutOf(scope), text });
  };
  const ctx = contextOf(session, scope, {
    signal: limit.signal,
    deadline: surroundings.now() + timeoutMs,
    log: (text) => tell(log.push(text)),
  });

  try {
    return await Promise.race([make(ctx), overdue]);
  } catch (error) {
    throw located(error, scope, session.redactor);
  } finally {
    done.abort(DONE);
    scope.signal?.removeEventListener("abort", stop);
    tell(log.end());
  }
}

/** One for all calls: an error made for each would cost more than the rest of the call. */
const DONE = new Error("The call has ended.");

/** Rejects when a call goes on although its time is over, or although it was told to stop. */
function awaitOverdue(
  { sleep }: Surroundings,
  timeoutMs: number,
  { limit, done }: { readonly limit: AbortController; readonly done: AbortSignal },
): Promise<never> {
  const ended = (): void => {};
  return new Promise((_, reject) => {
    const giveUp = (): void => reject(stepTimedOut(timeoutMs));
    const wait = (): void => void sleep(GRACE_MS, done).then(giveUp, ended);
    limit.signal.addEventListener("abort", wait, { once: true });
    sleep(timeoutMs, done).then(() => limit.abort(stepTimedOut(timeoutMs)), ended);
  });
}

function contextOf(
  session: SessionParts & { readonly targets: ReadonlyMap<string, Connected> },
  scope: CallScope,
  limits: { readonly signal: AbortSignal; readonly deadline: number; log(text: string): void },
): CallContext {
  const { environment, surroundings, events, redactor, targets } = session;
  const base: TargetContext = {
    ...limits,
    run: scope.run ?? "",
    environment: environment.name,
    folder: environment.folder,
    env: surroundings.env,
    progress: (progress) => events.emit({ type: "step.progress", ...aboutOf(scope), ...progress }),
    async secret(wanted) {
      const { env } = surroundings;
      const { folder } = environment;
      const value = await readSecret(wanted, { env, folder, signal: limits.signal });
      redactor.add(value);
      return value;
    },
    mask: (value) => redactor.add(value),
    now: () => surroundings.now(),
    random: () => surroundings.random(),
  };
  const connected = targets.get(scope.target ?? "") ?? NOTHING;
  return { ...NOTHING, ...scope, ...base, connection: connected.connection };
}

/** What a call sees that belongs to no run. */
const NOTHING: Omit<CallContext, Exclude<keyof TargetContext, "run">> = {
  run: "",
  connection: { [Symbol.asyncDispose]: async () => {} },
  release: { id: "", createdAt: "" },
  stamp: { lineage: "", epoch: 0, run: "" },
  output: () => undefined,
  outputs: () => undefined,
  checkpoint: { last: undefined, save: async () => {} },
};

function aboutOf({ target, unit, step }: About): About {
  return { target, unit, step };
}
