import { describe, it, type TestContext } from "vitest";
import { type Claim, CLAIM_TIMEOUT_MS, tryClaim } from "./claims.ts";
import { searchForSecrets } from "./secrets.ts";
import { guardClaims } from "./target-claims/guard.ts";
import { runClaims } from "./target-claims/run.ts";
import { shapeClaims } from "./target-claims/shape.ts";
import { TargetDriver } from "./target-driver.ts";
import type { ContractWorld, TargetWorld } from "./target-world.ts";

/**
 * Registers one test for each promise of a target; `make` builds a fresh, empty world for every one.
 *
 * Besides, no value of the world's secrets may show up in what the target plans, returns or says.
 */
export function describeTargetContract(name: string, make: () => Promise<ContractWorld>): void {
  describe(`${name} keeps the target contract:`, () => {
    for (const claim of targetClaims) {
      it(claim.title, { timeout: CLAIM_TIMEOUT_MS }, async (test) => {
        await tryTargetClaim(claim, await make(), test);
      });
    }
  });
}

/** The promises of {@link Target} and of its steps together, one by one. */
export const targetClaims: readonly Claim<TargetDriver>[] = [
  ...shapeClaims,
  ...runClaims,
  ...guardClaims,
];

/** Tries one promise on a world, which is disposed of. */
export async function tryTargetClaim(
  claim: Claim<TargetDriver>,
  world: TargetWorld,
  test: Pick<TestContext, "annotate">,
): Promise<void> {
  await using driver = await TargetDriver.connect(world);
  await tryClaim(claim, driver, test);
  searchForSecrets(world, [driver.seen, world.target.places]);
}
