import {
  type Json,
  planned,
  type Release,
  type Secret,
  type SecretSource,
  type TargetPlan,
} from "@lockstep/plugin";
import { type CheckInput, httpCheck } from "./check.ts";
import type { CheckOptions } from "./options.ts";
import { RELEASE } from "./url.ts";

/** Every check, always: whether there is a reason to run them is known only to the runner. */
export function planChecks(checks: readonly CheckOptions[], release: Release): TargetPlan {
  return {
    changes: [],
    unchanged: 0,
    steps: checks.map((check, index) =>
      planned(httpCheck, {
        id: `check:${index + 1}`,
        phase: "verify",
        input: inputOf(check, release.id),
        until: check.until,
      }),
    ),
    basedOn: null,
    undo: "Nothing to undo: it only looks, and only when another target changes.",
  };
}

/** The release's id is filled in here, so that the plan shows which checks hold for this release alone. */
function inputOf(check: CheckOptions, release: string): CheckInput {
  const { url, status, headers, body, json, redirects, timeoutMs, send = {} } = check;
  const named = withRelease({ url, headers, body, json }, release) as Pick<CheckInput, "url">;
  const sources = Object.entries(send).map(([name, value]) => [name, sourceOf(value)] as const);
  return { ...named, status, redirects, timeoutMs, send: Object.fromEntries(sources) };
}

/** Plans hold names of secrets, never values. */
function sourceOf(value: string | Secret): string | SecretSource {
  return typeof value === "string" ? value : value["~lockstep.secret"];
}

function withRelease(value: Json | undefined, release: string): Json | undefined {
  if (typeof value === "string") return value.replaceAll(RELEASE, release);
  if (Array.isArray(value)) return value.map((item) => withRelease(item, release) ?? null);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withRelease(item, release)]),
  );
}
