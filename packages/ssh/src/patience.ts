import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError } from "@lockstep/plugin";
import type { Traveller } from "./reach.ts";

/** Milliseconds to wait before a server is asked again that hung up on too many callers. */
const PAUSES_MS = [100, 250, 600, 1500, 3000] as const;

/** Connects, again a little later when the server hung up before it said who it is. */
export async function patiently<T>(
  { stop, ctx }: Pick<Traveller, "stop" | "ctx">,
  attempt: () => Promise<T>,
): Promise<T> {
  for (const pause of PAUSES_MS) {
    try {
      return await attempt();
    } catch (cause) {
      if (!isDropped(cause) || stop.aborted) throw cause;
      await sleep(pause * (0.5 + ctx.random()));
    }
  }
  return attempt();
}

/** As sshd does while too many others are at its door (`MaxStartups`); a penalty is told, and not waited out. */
function isDropped(cause: unknown): boolean {
  if (!isLockstepError(cause) || cause.code !== "SSH_HOST_UNREACHABLE") return false;
  const text = cause.cause instanceof Error ? cause.cause.message : "";
  return /before handshake|Exceeded MaxStartups|kex_exchange_identification|ECONNRESET/.test(text);
}
