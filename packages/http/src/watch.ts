import { setTimeout } from "node:timers/promises";
import type { ReadContext } from "@lockstep/plugin";
import type { WatchOptions } from "./options.ts";
import { type Answer, type NoAnswer, send } from "./request.ts";

/** Asks one page again and again until the signal aborts; an answer below 400 is a good one. */
export async function* watchUrl(
  { url, intervalMs, timeoutMs }: WatchOptions,
  { signal, now }: Pick<ReadContext<unknown>, "signal" | "now">,
): AsyncGenerator<{ readonly ok: boolean; readonly ms: number }> {
  while (!signal.aborted) {
    const begun = now();
    const reply = await ask({ url, timeoutMs }, signal);
    if (reply === undefined) return;
    yield { ok: "status" in reply && reply.status < 400, ms: now() - begun };
    await pause(intervalMs, signal);
  }
}

/** Undefined when the watch was ended meanwhile: such a request says nothing about the page. */
async function ask(
  { url, timeoutMs }: Pick<WatchOptions, "url" | "timeoutMs">,
  signal: AbortSignal,
): Promise<Answer | NoAnswer | undefined> {
  try {
    return await send({ url, timeoutMs, redirects: 0, headers: {} }, signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
