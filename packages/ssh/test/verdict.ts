import { setTimeout as sleep } from "node:timers/promises";
import type { CheckResult, PlannedStep } from "@lockstep/plugin";
import type { Shop } from "./world.ts";

/** Asks as the runner does: until enough passes in a row, or the time is over. */
export async function verdictOf(shop: Shop, step: PlannedStep): Promise<CheckResult["status"]> {
  const once = { successes: 1, intervalMs: 0, deadlineMs: 0 };
  const { successes, intervalMs, deadlineMs } = step.until ?? once;
  const handler = shop.target.checks?.find(({ kind }) => kind === step.kind);
  const end = Date.now() + deadlineMs;
  let passes = 0;
  while (passes < successes) {
    const result = await handler?.check(step.input, shop.context());
    passes = result?.status === "pass" ? passes + 1 : 0;
    if (passes < successes && Date.now() > end) return result?.status ?? "inconclusive";
    await sleep(intervalMs);
  }
  return "pass";
}
