import { examine, type Job } from "@lockstep/core";
import { type Diagnostic, toDiagnostic } from "@lockstep/events";
import type { Finding, Store } from "@lockstep/plugin";

/** What a target found, and which one. */
export type TargetFinding = Finding & { readonly target: string };

/** What all targets found, in the order of the config. */
export interface Examined {
  readonly findings: readonly TargetFinding[];
  /** Targets that could not look. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Lets the targets of a job look, and gathers what they found. */
export async function examined(job: Job, how: "doctor" | "audit"): Promise<Examined> {
  const findings: TargetFinding[] = [];
  const diagnostics: Diagnostic[] = [];
  const gather: Job["sinks"][number] = (event) => {
    if (event.type === "diagnostic") diagnostics.push(event);
    if (event.type !== "finding") return;
    const { target = "", unit, level, text, fix } = event;
    const place = unit === undefined ? { target } : { target, unit };
    findings.push({ ...place, level, text, ...(fix === undefined ? {} : { fix }) });
  };
  await examine({ ...job, sinks: [...job.sinks, gather] }, how);
  const order = Object.keys(job.config.environments[job.environment]?.targets ?? {});
  const rank = ({ target }: TargetFinding): number => order.indexOf(target);
  return { findings: findings.toSorted((a, b) => rank(a) - rank(b)), diagnostics };
}

/** Whether the store can be read; whether it keeps its promises shows when the first run begins. */
export async function storeFinding(store: Store): Promise<TargetFinding> {
  const target = `store ${store.place}`;
  try {
    await store.get("doctor");
    return { target, level: "ok", text: "can be read" };
  } catch (error) {
    const { message: text, hint } = toDiagnostic(error);
    return { target, level: "fail", text, ...(hint === undefined ? {} : { fix: hint }) };
  }
}

/** True when something was found that must be mended. */
export function isBad({ findings, diagnostics }: Examined): boolean {
  return diagnostics.length > 0 || findings.some(({ level }) => level === "fail");
}
