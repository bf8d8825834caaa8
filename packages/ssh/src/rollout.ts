import type { ActivationSettings } from "./rollout-options.ts";

/** Something that belongs to a host with a name and labels. */
interface Labelled {
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

/** A number, or a share of a total, rounded up. */
export function countOf(size: number | string, total: number): number {
  return typeof size === "number" ? size : Math.ceil((Number.parseInt(size, 10) * total) / 100);
}
