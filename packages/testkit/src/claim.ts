import { describe, it } from "vitest";

/** One promise of a contract: a sentence, and how it is tried on a case that was made for it alone. */
export interface Claim<Case> {
  readonly title: string;
  /** Why this case cannot show whether the promise holds; undefined when it can. */
  hindrance?(subject: Case): string | undefined;
  /** Rejects when the promise is broken. */
  check(subject: Case): Promise<void>;
}

/** What a contract is tried on: made for one claim, thrown away after it. */
export interface Disposable {
  dispose?(): Promise<void>;
}

/** Longest time, in milliseconds, for one claim: real servers are slow where many suites share a machine. */
const CLAIM_TIMEOUT_MS = 60_000;

/** Registers one test per claim. What could not be tried is said in an annotation of the test. */
export function describeClaims<Case extends Disposable>(
  name: string,
  claims: readonly Claim<Case>[],
  make: () => Promise<Case>,
): void {
  describe(name, () => {
    for (const claim of claims) {
      it(claim.title, { timeout: CLAIM_TIMEOUT_MS }, async ({ annotate }) => {
        const hindrance = await tryClaim(claim, make);
        if (hindrance !== undefined) await annotate(`Not tried: ${hindrance}`, "notice");
      });
    }
  });
}

/** Tries one claim on a fresh case; returns why it could not be tried, if so. */
export async function tryClaim<Case extends Disposable>(
  claim: Claim<Case>,
  make: () => Promise<Case>,
): Promise<string | undefined> {
  const subject = await make();
  try {
    const hindrance = claim.hindrance?.(subject);
    if (hindrance === undefined) await claim.check(subject);
    return hindrance;
  } finally {
    await subject.dispose?.();
  }
}
