/** A host as it was written: what it leaves out is taken from the options for all hosts. */
export interface WrittenHost {
  readonly address: string;
  readonly name?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly hostKey?: string | undefined;
  readonly labels?: readonly string[] | undefined;
}

/** `user@host:port`, `[address]:port`; a bare IPv6 address has more than one colon and no port. */
const SHORT =
  /^(?:(?<user>[^@]*)@)?(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*)|(?<bare>[^[\]]*:[^[\]]*:[^[\]]*))(?::(?<port>\d+))?$/;

/** The parts of a short host; each may be wrong. */
export function parseShortHost(written: string): WrittenHost {
  const found = SHORT.exec(written)?.groups;
  const digits = found?.["port"];
  return {
    address: found?.["v6"] ?? found?.["bare"] ?? found?.["name"] ?? "",
    user: found?.["user"],
    port: digits === undefined ? undefined : Number(digits),
  };
}
