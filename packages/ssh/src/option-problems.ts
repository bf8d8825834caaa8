import type { ReleaseSettings } from "./release-options.ts";
import type { ActivationSettings } from "./rollout-options.ts";
import { isMeant, type Labelled } from "./rollout.ts";

/** What is wrong with options that are right one by one, and where. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A path in the release that something of its own stands at. */
interface Claim {
  readonly at: readonly (string | number)[];
  readonly path: string;
  readonly what: string;
}

/**
 * Paths that lie in each other: below a link into what is shared, a second one would be made in what is shared itself,
 * and what stands there would give way to it.
 */
export function overlaps({ shared, envFile }: ReleaseSettings): Problem[] {
  const claims: Claim[] = [
    ...shared.dirs.map(({ path }, index) => ({
      at: ["shared", "dirs", index],
      path,
      what: "shared folder",
    })),
    ...shared.files.map((path, index) => ({
      at: ["shared", "files", index],
      path,
      what: "shared file",
    })),
    ...(envFile === undefined
      ? []
      : [{ at: ["envFile", "path"], path: envFile.path, what: "file with variables" }]),
  ];
  return claims.flatMap((claim, index) => {
    const other = claims.find(
      (one, place) =>
        claim.path.startsWith(`${one.path}/`) || (one.path === claim.path && place < index),
    );
    if (other === undefined) return [];
    const where = other.path === claim.path ? "is" : "lies in";
    return [{ path: claim.at, message: `${claim.path} ${where} the ${other.what} ${other.path}` }];
  });
}

/** Names and labels that no host has: what is meant for such a host would be left out. */
export function strangers(
  hosts: readonly Labelled[],
  { once, rollout }: Pick<ReleaseSettings, "once"> & Pick<ActivationSettings, "rollout">,
): Problem[] {
  const words = [
    ...once.map(({ on }, index) => ({ path: ["once", index, "on"], word: on })),
    { path: ["rollout", "first"], word: rollout.first },
  ];
  return words.flatMap(({ path, word }) =>
    word === undefined || hosts.some((host) => isMeant(host, word))
      ? []
      : [{ path, message: `No host has the name or label ${JSON.stringify(word)}` }],
  );
}
