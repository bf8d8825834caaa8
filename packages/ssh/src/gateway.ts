import { connect as dial } from "node:net";
import type { Duplex } from "node:stream";
import { isLockstepError, LockstepError } from "@lockstep/plugin";
import { deferred } from "./deferred.ts";
import type { Where } from "./errors.ts";
import { hostUnreachable } from "./login-errors.ts";
import type { Endpoint, Traveller } from "./reach.ts";
import { type Client2, logIn } from "./ssh2-client.ts";

/** Handshakes with one server at the same time, once one login has worked; sshd drops some beyond 10. */
const MOST_STARTS = 8;

/** The door of one server: who is at it, and whether anybody was let in. */
interface Door {
  starting: number;
  isProven: boolean;
  refusal: LockstepError | undefined;
  readonly waiting: (() => void)[];
}

/**
 * What the connections of one target share: the jump hosts, and the patience of the servers.
 *
 * All hosts behind a jump host go through one connection to it. The first login at a server is tried alone;
 * when it is refused, nobody else tries, because servers lock out addresses that fail often.
 */
export class Gateway implements AsyncDisposable {
  readonly #hops = new Map<string, Promise<Client2>>();
  readonly #doors = new Map<string, Door>();

  /** Opens a connection to a server, through jump hosts if there are any. */
  async dial(
    jumps: readonly Endpoint[],
    { address, port }: Endpoint,
    traveller: Traveller,
  ): Promise<Duplex> {
    if (jumps.length === 0) return dial({ host: address, port, noDelay: true });
    const hop = await this.#hop(jumps, traveller);
    const { promise, resolve, reject } = deferred<Duplex>();
    hop.client.forwardOut("127.0.0.1", 0, address, port, (error, channel) => {
      if (error === undefined) resolve(channel);
      else reject(hostUnreachable(traveller.where, error));
    });
    return promise;
  }

  /**
   * Lets one login at a time through, and several once one has worked.
   *
   * @throws {LockstepError} `SSH_AUTH_FAILED` when the same server refused the same user before
   */
  async atDoor<T>(
    { user, address, port }: Pick<Endpoint, "user" | "address" | "port">,
    { where, stop }: Traveller,
    enter: () => Promise<T>,
  ): Promise<T> {
    const name = `${user}@${address}:${port}`;
    const door = this.#doors.get(name) ?? {
      starting: 0,
      isProven: false,
      refusal: undefined,
      waiting: [],
    };
    this.#doors.set(name, door);
    while (door.starting >= (door.isProven ? MOST_STARTS : 1)) {
      const { promise, resolve } = deferred<void>();
      door.waiting.push(resolve);
      await promise;
      stop.throwIfAborted();
    }
    if (door.refusal !== undefined) throw forUnit(door.refusal, where);
    door.starting += 1;
    try {
      const made = await enter();
      door.isProven = true;
      return made;
    } catch (cause) {
      if (isLockstepError(cause) && cause.code === "SSH_AUTH_FAILED") door.refusal = cause;
      throw cause;
    } finally {
      door.starting -= 1;
      for (const wake of door.waiting.splice(0)) wake();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const hops = await Promise.allSettled(this.#hops.values());
    this.#hops.clear();
    for (const hop of hops) if (hop.status === "fulfilled") hop.value.giveUp();
    for (const hop of hops) if (hop.status === "fulfilled") await hop.value.lost;
  }

  async #hop(jumps: readonly Endpoint[], traveller: Traveller): Promise<Client2> {
    const name = jumps.map(({ user, address, port }) => `${user}@${address}:${port}`).join(",");
    const known = this.#hops.get(name);
    const hop = known ?? this.#connect(jumps, traveller);
    if (known === undefined) {
      this.#hops.set(name, hop);
      const forget = (): void => void (this.#hops.get(name) === hop && this.#hops.delete(name));
      hop.then(({ lost }) => lost.then(forget), forget);
    }
    try {
      return await hop;
    } catch (cause) {
      throw isLockstepError(cause) ? forUnit(cause, traveller.where) : cause;
    }
  }

  async #connect(jumps: readonly Endpoint[], traveller: Traveller): Promise<Client2> {
    const end = jumps.at(-1);
    if (end === undefined) throw new TypeError("There is no jump host to connect to.");
    const where = { ...traveller.where, place: `the jump host ${end.address}:${end.port}` };
    const there = { ...traveller, where };
    const open = async (): Promise<Duplex> => this.dial(jumps.slice(0, -1), end, there);
    return this.atDoor(end, traveller, async () => logIn({ endpoint: end, dial: open }, there));
  }
}

/** The same failure, of another unit. */
function forUnit(failure: LockstepError, { name }: Where): LockstepError {
  const { code, message, hint, retryable } = failure;
  return new LockstepError({ code, message, hint, retryable, unit: name, cause: failure.cause });
}
