import { must } from "./claims.ts";
import type { TargetWorld } from "./target-world.ts";

/** Rejects when the value of a secret of the world is in what was planned, returned or said. */
export function searchForSecrets(
  { secrets = {} }: Pick<TargetWorld, "secrets">,
  seen: readonly unknown[],
): void {
  const text = JSON.stringify(seen);
  for (const [name, value] of Object.entries(secrets)) {
    const once = escaped(value);
    // what a process printed may have been JSON before
    const isSeen = text.includes(once) || text.includes(escaped(once));
    must(!isSeen, `the value of ${name} is in a plan, an output, a line or an error`);
  }
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
