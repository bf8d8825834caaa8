import type { Change, TargetPlan } from "@lockstep/plugin";
import { isSameFile, type SiteFile, type SiteRelease } from "./release.ts";

/** What will differ for visitors. */
export function comparison(
  from: SiteRelease | null,
  to: SiteRelease,
): Pick<TargetPlan, "changes" | "unchanged"> {
  const written = to.files.flatMap((file) => changeOf(from?.byPath.get(file.path), file) ?? []);
  const removed = (from?.files ?? [])
    .filter(({ path, inPlace }) => !inPlace && !to.byPath.has(path))
    .map(({ path }): Change => ({ action: "remove", what: path, reason: "stale" }));
  return { changes: [...written, ...removed], unchanged: to.files.length - written.length };
}

function changeOf(before: SiteFile | undefined, after: SiteFile): Change | undefined {
  const { path: what, size: bytes } = after;
  if (before === undefined) return { action: "add", what, reason: "absent", bytes };
  if (isSameFile(before, after)) return undefined;
  if (before.sha256 !== after.sha256) {
    const digests = { before: before.sha256.slice(0, 12), after: after.sha256.slice(0, 12) };
    return { action: "change", what, reason: "content", bytes, ...digests };
  }
  const headers = { before: before.headers, after: after.headers };
  return { action: "change", what, reason: "headers", ...headers };
}
