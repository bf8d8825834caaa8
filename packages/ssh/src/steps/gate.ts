import { setTimeout as sleep } from "node:timers/promises";
import type { Check, CheckResult, Json, ReadContext, Until } from "@lockstep/plugin";
import type { SshConnection } from "../connection.ts";
import { reasonOf } from "../errors.ts";
import { oneLine } from "../output.ts";
import { checkHttp } from "./check-http.ts";
import { checkProcess } from "./check-process.ts";
import { checkCommand } from "./run-command.ts";

/** Checks that some hosts may fail. */
export type GateInput = {
  readonly hosts: readonly string[];
  /** What each host is asked; `until` is how it is asked of it. */
  readonly checks: readonly {
    readonly kind: string;
    readonly input: Json;
    readonly until: Readonly<Record<keyof Until, number>>;
  }[];
  /** Hosts that may fail. */
  readonly maxFailures: number;
};

const HANDLERS = [checkHttp, checkCommand, checkProcess] as unknown as readonly Check<
  Json,
  SshConnection
>[];

/** Asks several hosts and lets some of them fail, after each had all of its time. */
export const gate: Check<GateInput, SshConnection> = {
  kind: "ssh.gate/1",

  describe({ hosts, checks, maxFailures }) {
    const all = checks.map(({ kind, input }) => handlerOf(kind).describe(input)).join("; ");
    return oneLine(`${all} on ${hosts.join(", ")}, of which ${maxFailures} may fail`);
  },

  async check({ hosts, checks, maxFailures }, ctx): Promise<CheckResult> {
    const wanted = `at most ${maxFailures} of ${hosts.length} fail`;
    const found = await Promise.all(
      hosts.map(async (unit) => ({ unit, reason: await failureOf(checks, { ...ctx, unit }) })),
    );
    const failed = found.filter(({ reason }) => reason !== undefined);
    const text = failed.map(({ unit, reason = "" }) => `${unit}: ${reason}`).join("; ");
    if (failed.length === 0) return { status: "pass" };
    return { status: failed.length <= maxFailures ? "pass" : "fail", wanted, found: text };
  },
};

function handlerOf(kind: string): Check<Json, SshConnection> {
  const handler = HANDLERS.find((one) => one.kind === kind);
  if (handler === undefined) throw new TypeError(`This target has no check ${kind}.`);
  return handler;
}

/** Why a host fails one of the checks; undefined when it passes them all. */
async function failureOf(
  checks: GateInput["checks"],
  ctx: ReadContext<SshConnection>,
): Promise<string | undefined> {
  for (const { kind, input, until } of checks) {
    const end = ctx.now() + until.deadlineMs;
    let last = "it was not asked";
    let passes = 0;
    while (passes < until.successes) {
      const { status, found = status } = await asked(handlerOf(kind), input, ctx);
      passes = status === "pass" ? passes + 1 : 0;
      last = found;
      if (passes >= until.successes) break;
      if (ctx.now() >= end) return last;
      await sleep(until.intervalMs, undefined, { signal: ctx.signal });
    }
  }
  return undefined;
}

/** A host that cannot be asked fails. */
async function asked(
  handler: Check<Json, SshConnection>,
  input: Json,
  ctx: ReadContext<SshConnection>,
): Promise<CheckResult> {
  try {
    return await handler.check(input, ctx);
  } catch (cause) {
    ctx.signal.throwIfAborted();
    return { status: "fail", found: reasonOf(cause) };
  }
}
