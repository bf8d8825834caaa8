import type { ObjectHeaders } from "../bucket.ts";
import { contentType } from "../content-type.ts";
import type { HeaderRule } from "../options.ts";
import { matcher } from "./pattern.ts";

/** A file is asked for again with every visit, and answered with 304 while it is the same. */
export const FRESH = "public, max-age=0, must-revalidate";

/** A name that says what is in it never has to be asked for again. */
const FOREVER = "public, max-age=31536000, immutable";

/** What is set for some paths; null removes a header. */
export interface Rule {
  matches(path: string): boolean;
  readonly set: Readonly<Record<string, string | null>>;
}

/** Finds the headers of a file by its path. */
export type HeaderPolicy = (file: {
  readonly path: string;
  readonly isAsset: boolean;
}) => ObjectHeaders;

/** Rules of the config. */
export function configRules(rules: readonly HeaderRule[]): Rule[] {
  return rules.map(({ match, set }) => ({ matches: matcher(match), set }));
}

/** Makes a policy of rules, of which later ones win; the bundled types and two cache rules come first. */
export function headerPolicy(rules: readonly Rule[]): HeaderPolicy {
  // a site has few sets of headers and many files: equal ones are one object
  const known = new Map<string, ObjectHeaders>();
  return ({ path, isAsset }) => {
    const headers: Record<string, string> = {
      "cache-control": isAsset ? FOREVER : FRESH,
      "content-type": contentType(path),
    };
    for (const { set } of rules.filter((rule) => rule.matches(path))) {
      for (const [name, value] of Object.entries(set)) {
        if (value === null) delete headers[name];
        else headers[name] = value;
      }
    }
    const sorted = Object.entries(headers).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const name = JSON.stringify(sorted);
    const found = known.get(name) ?? Object.fromEntries(sorted);
    known.set(name, found);
    return found;
  };
}
