import type { Look } from "./look.ts";
import type { ActiveStep, RunState } from "./state.ts";
import { bytesText, clip, countText, safeText, timeText } from "./text.ts";

/** Where a frame is drawn, and when. */
export interface FrameView {
  readonly columns: number;
  /** Lines the frame may have; from 2. */
  readonly rows: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly look: Look;
}

const BAR_WIDTH = 16;

/** Before this share, and this time in milliseconds, nobody can tell how long it takes. */
const ETA = { share: 0.05, afterMs: 2000 };

/**
 * The live area: a line for each place where something is going on, then how far the run is.
 *
 * No line is wider than the terminal, and there are never more than `rows`; otherwise a redraw would
 * leave garbage behind.
 */
export function renderFrame(state: RunState, view: FrameView): string[] {
  const { columns, rows, now, look } = view;
  if (state.holder !== undefined) {
    const waited = timeText(now - (state.begunAt ?? now));
    return [clip(`  waiting for run ${safeText(state.holder)}, ${waited}`, columns, "")];
  }
  const places = [...placesOf(state)];
  if (places.length === 0) return [];
  const room = places.length < rows ? places.length : rows - 2;
  const name = Math.max(...places.map(([place]) => place.length));
  const lines = places.slice(0, Math.max(0, room)).map(([place, steps]) => {
    const more = steps.length > 1 ? `  (and ${steps.length - 1} more)` : "";
    const text = `${place.padEnd(name)}  ${stepText(steps[0], view)}${more}`;
    return `${look.style("dim", look.mark("bar"))} ${clip(text, columns - 2, look.mark("more"))}`;
  });
  const hidden = places.length - lines.length;
  const rest = hidden > 0 ? [clip(`  and ${countText(hidden, "more place")}`, columns, "")] : [];
  return [...lines, ...rest, footer(state, view)].slice(-rows);
}

/** What is going on, in one line for a log that cannot be redrawn. */
export function renderHeartbeat(
  state: RunState,
  { now, look, silentMs }: Pick<FrameView, "now" | "look"> & { readonly silentMs: number },
): string | undefined {
  if (state.holder !== undefined) {
    return `-- ${timeText(silentMs)}: waiting for run ${safeText(state.holder)}`;
  }
  const places = [...placesOf(state)];
  if (places.length === 0) return undefined;
  const view = { columns: 0, rows: 0, now, look };
  const parts = places.slice(0, 3).map(([place, [step]]) => `${place} ${stepText(step, view)}`);
  const more = places.length > 3 ? `; and ${countText(places.length - 3, "more place")}` : "";
  return `-- ${timeText(silentMs)}: ${parts.join("; ")}${more}`;
}

function placesOf({ active }: RunState): ReadonlyMap<string, readonly ActiveStep[]> {
  const places = new Map<string, ActiveStep[]>();
  for (const step of active.values()) {
    places.set(step.place, [...(places.get(step.place) ?? []), step]);
  }
  return places;
}

function stepText(step: ActiveStep | undefined, view: FrameView): string {
  if (step === undefined) return "";
  const amounts = [barText(step, view), ...amountTexts(step, view.now)].filter(
    (text) => text !== "",
  );
  return [...amounts, safeText(step.text)].join("  ");
}

function barText({ bytes = 0, totalBytes = 0 }: ActiveStep, { columns, look }: FrameView): string {
  if (columns < 60 || totalBytes <= 0) return "";
  const full = Math.round(BAR_WIDTH * Math.min(1, bytes / totalBytes));
  return look.mark("full").repeat(full) + look.mark("empty").repeat(BAR_WIDTH - full);
}

function amountTexts(step: ActiveStep, now: number): string[] {
  const { bytes, totalBytes, items, totalItems, since } = step;
  const ms = Math.max(1, now - since);
  const texts: string[] = [];
  if (bytes !== undefined) {
    const of = totalBytes === undefined ? "" : ` of ${bytesText(totalBytes)}`;
    texts.push(`${bytesText(bytes)}${of}, ${bytesText((bytes * 1000) / ms)}/s`);
  }
  if (items !== undefined) {
    const of = totalItems === undefined ? "" : ` of ${totalItems}`;
    texts.push(`${items}${of} files`);
  }
  const left = leftMs({ bytes, totalBytes }, ms);
  if (left !== undefined) texts.push(`${timeText(left)} left`);
  return texts;
}

function leftMs(
  { bytes = 0, totalBytes = 0 }: { bytes: number | undefined; totalBytes: number | undefined },
  ms: number,
): number | undefined {
  const share = totalBytes === 0 ? 0 : bytes / totalBytes;
  if (ms < ETA.afterMs || share < ETA.share || share >= 1) return undefined;
  return Math.max(1000, Math.round((ms / share - ms) / 1000) * 1000);
}

function footer({ begunAt, done, steps }: RunState, { now, columns, look }: FrameView): string {
  const took = timeText(Math.max(0, now - (begunAt ?? now)));
  const text = `  ${done} of ${countText(steps, "step")}, ${took}; Ctrl-C stops safely`;
  return look.style("dim", clip(text, columns, look.mark("more")));
}
