import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stamp, TargetContext } from "@lockstep/plugin";
import { RELEASE, RENEW } from "./fence-scripts.ts";
import { newNonce } from "./framing.ts";
import type { RemoteHost } from "./host.ts";
import { REFUSED, stampName } from "./layout.ts";
import { oneLine } from "./output.ts";

/** Seconds without a sign of life, by the clock of the host, after which runs of other stores may take a host. */
export const LEASE_SECONDS = 60;

/** Three signs in a row may be lost. */
const BEAT_MS = (LEASE_SECONDS * 1000) / 4;

/** Milliseconds in which hosts are given free at the end. */
const GOODBYE_MS = 1000;

/** What a run holds a host with. */
interface Holding {
  readonly path: string;
  readonly stamp: Stamp;
  /** Made by {@link holderLine}. */
  readonly holder: string;
}

/** A host that a run of this connection has set its stamp on. */
interface Held {
  readonly host: RemoteHost;
  readonly values: { readonly P: string; readonly STAMP: string; readonly HOLDER: string };
  /** A sign is under way: a shell that is busy is not sent another. */
  isBusy: boolean;
}

/**
 * The signs of life that one connection gives on the hosts it holds: a timer sends them, nothing waits for them.
 *
 * They keep runs of other stores away, which no epoch could. Between runs of one store they decide nothing, and a
 * write is never allowed because of them.
 */
export interface Heartbeats {
  /** Name of the stamp this connection holds a host with; empty when it does not. */
  stampOn(host: RemoteHost): string;
  /** From now on the host is told that the run is alive. Its first sign came with the stamp. */
  hold(host: RemoteHost, holding: Holding): void;
  /** Gives the hosts free that still can be told. */
  end(): Promise<void>;
}

/** The signs of life of a connection that holds no host yet. */
export function newHeartbeats(): Heartbeats {
  return new Beating();
}

class Beating implements Heartbeats {
  readonly #held = new Map<string, Held>();
  #timer: NodeJS.Timeout | undefined;

  stampOn({ name }: RemoteHost): string {
    return this.#held.get(name)?.values.STAMP ?? "";
  }

  hold(host: RemoteHost, { path, stamp, holder }: Holding): void {
    const values = { P: path, STAMP: stampName(stamp), HOLDER: holder };
    this.#held.set(host.name, { host, values, isBusy: false });
    this.#timer ??= setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    const told = [...this.#held.values()].map(({ host, values }) =>
      host.runLast({ text: RELEASE, values }),
    );
    this.#held.clear();
    const enough = new AbortController();
    const late = sleep(GOODBYE_MS, undefined, { signal: enough.signal }).catch(() => undefined);
    await Promise.race([Promise.all(told), late]);
    enough.abort();
  }

  #beat(): void {
    for (const [name, held] of this.#held) if (!held.isBusy) void this.#beatOn(name, held);
  }

  async #beatOn(name: string, held: Held): Promise<void> {
    held.isBusy = true;
    const values = { ...held.values, N: newNonce() };
    const ran = await held.host.runIfOpen({ text: RENEW, values });
    held.isBusy = false;
    const isOvertaken = ran?.status === REFUSED.fenced && this.#held.get(name) === held;
    if (isOvertaken) this.#held.delete(name);
  }
}

/** What a sign of life says besides the time, for people: run, since when, and who. */
export function holderLine(ctx: TargetContext, { run }: Stamp): string {
  const user = ctx.env["USER"] ?? ctx.env["LOGNAME"] ?? nameOfUser();
  const since = new Date(ctx.now()).toISOString();
  return oneLine(`${run} ${since} ${user}@${hostname()}`);
}

/** A process in a container may run as a number without a name. */
function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown";
  }
}
