import { isSecret, type Secret, type TargetContext } from "@lockstep/plugin";

/** Variables with their secrets read. */
export async function readSecrets(
  written: Readonly<Record<string, string | Secret>>,
  ctx: TargetContext,
): Promise<Record<string, string>> {
  const entries = await Promise.all(
    Object.entries(written).map(
      async ([name, value]) => [name, isSecret(value) ? await ctx.secret(value) : value] as const,
    ),
  );
  return Object.fromEntries(entries);
}
