/** Keys of one site in a store. */
export interface SiteKeys {
  /** The route that visitors get. */
  readonly route: string;
  readonly control: string;
  past(part: number): string;
  /** The route of a release that may be looked at by its name. */
  staged(id: string): string;
  /** What all keys of tables begin with. */
  readonly tables: string;
  /** A part or a redirect of a table. */
  table(table: string, name: string): string;
}

/** The only place where keys of a store are built: all characters may stand in a path as they are. */
export function siteKeys(name: string): SiteKeys {
  return {
    route: name,
    control: `${name}.control`,
    past: (part) => `${name}.past.${part}`,
    staged: (id) => `${name}.staged.${id}`,
    tables: `${name}.t.`,
    table: (table, one) => `${name}.t.${table}.${one}`,
  };
}
