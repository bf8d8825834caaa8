import type { ActivationSettings } from "./rollout-options.ts";

/** Something that belongs to a host with a name and labels. */
export interface Labelled {
  readonly name: string;
  readonly labels?: readonly string[] | undefined;
}

/** Whether a host is meant by a label or a name. */
export function isMeant({ name, labels = [] }: Labelled, word: string): boolean {
  return name === word || labels.includes(word);
}

/**
 * Hosts in waves, in the order of the config, those that come first before the others. The last size is
 * repeated until every host has its place; a share is rounded up.
 */
export function wavesOf<T extends Labelled>(
  hosts: readonly T[],
  { waves, first }: Pick<ActivationSettings["rollout"], "waves" | "first">,
): (readonly T[])[] {
  const isFirst = (host: T): boolean => first !== undefined && isMeant(host, first);
  const rest = [...hosts.filter(isFirst), ...hosts.filter((host) => !isFirst(host))];
  const found: (readonly T[])[] = [];
  while (rest.length > 0) {
    const size = waves[Math.min(found.length, waves.length - 1)] ?? "100%";
    found.push(rest.splice(0, Math.max(1, countOf(size, hosts.length))));
  }
  return found;
}

/** Hosts in a wave: a number, or a share of all, rounded up. */
function countOf(size: number | string, total: number): number {
  return typeof size === "number" ? size : Math.ceil(shareOf(size, total));
}

/** Hosts of all that may fail: a number, or a share of all, rounded down. */
export function mayFail(failures: number | string, total: number): number {
  return typeof failures === "number" ? failures : Math.floor(shareOf(failures, total));
}

function shareOf(size: string, total: number): number {
  return (Number.parseInt(size, 10) * total) / 100;
}
