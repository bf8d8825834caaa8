import { readSecret, type WriteContext } from "@lockstep/plugin";

/**
 * A context for calling steps without the runner: no run, no secrets but those in `env`, an hour of time.
 *
 * What `log` and `progress` are told is dropped; give your own to look at it.
 */
export function testContext<C>(
  connection: C,
  overrides: Partial<WriteContext<C>> = {},
): WriteContext<C> {
  const signal = overrides.signal ?? new AbortController().signal;
  const env = overrides.env ?? {};
  const folder = overrides.folder ?? "/";
  return {
    connection,
    signal,
    env,
    folder,
    deadline: Date.now() + 3_600_000,
    run: "test-000001-00000000",
    environment: "test",
    release: { id: "20261121T000000Z-00000000", createdAt: "2026-11-21T00:00:00.000Z" },
    stamp: { lineage: "0".repeat(32), epoch: 1, run: "test-000001-00000000" },
    checkpoint: { last: undefined, save: async () => {} },
    log: () => {},
    progress: () => {},
    mask: () => {},
    secret: (wanted) => readSecret(wanted, { env, folder, signal }),
    output: () => undefined,
    now: () => Date.now(),
    random: Math.random,
    ...overrides,
  };
}
