/** A promise that is settled from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: Error): void;
}

/** Makes a promise that is settled from outside, for libraries that call back. */
export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>["resolve"] = () => {};
  let reject: Deferred<T>["reject"] = () => {};
  const promise = new Promise<T>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve, reject };
}

/** A reason as an error. */
export function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** A wait that is given up once its outcome no longer matters. */
export interface Forgettable<T> {
  readonly promise: Promise<T>;
  forget(): void;
}

/** Rejects with the reason when a signal aborts. */
export function abortOf(signal: AbortSignal): Forgettable<never> {
  const { promise, reject } = deferred<never>();
  const stop = (): void => reject(asError(signal.reason));
  promise.catch(() => undefined);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return { promise, forget: () => signal.removeEventListener("abort", stop) };
}
