import { isLockstepError, type Store } from "@lockstep/plugin";
import { storeUnreachable } from "./errors.ts";

/** Calls the store; whatever it throws means that it cannot be used now. */
export async function reachable<T>(store: Store, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw isLockstepError(cause) ? cause : storeUnreachable(store.place, cause);
  }
}
