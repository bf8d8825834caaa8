import { z } from "zod";

/** What a server does with a condition: obeys it, takes it and writes anyway, or refuses to know it. */
export type Obedience = "obeyed" | "ignored" | "unsupported";

/** What one server was seen to do, whatever it calls itself. */
export interface Capabilities {
  /** `If-None-Match: *` of a write. */
  readonly create: Obedience;
  /** `If-Match` of a write. */
  readonly replace: Obedience;
  /** How `If-Match` must name an ETag. */
  readonly etags: "quoted" | "unquoted";
  /** `If-Match` of a removal. */
  readonly remove: Obedience;
  /** `If-None-Match: *` and `If-Match` of a copy, about what is there already. */
  readonly copy: Obedience;
}

const obedience = z.enum(["obeyed", "ignored", "unsupported"]);

/** Raised with every change in what is tried. */
const VERSION = 2;

const schema = z.object({
  version: z.literal(VERSION),
  server: z.string(),
  /** Milliseconds since 1970. */
  at: z.number(),
  capabilities: z.object({
    create: obedience,
    replace: obedience,
    etags: z.enum(["quoted", "unquoted"]),
    remove: obedience,
    copy: obedience,
  }),
});

/** How long, in milliseconds, a verdict holds: servers are upgraded, and moved. */
const VALID_MS = 7 * 24 * 3600 * 1000;

/** A server, and a time in milliseconds since 1970. */
export interface Sighting {
  readonly server: string;
  readonly at: number;
}

/** What is kept of a verdict. */
export function encodeVerdict(capabilities: Capabilities, { server, at }: Sighting): Uint8Array {
  return Buffer.from(JSON.stringify({ version: VERSION, server, at, capabilities }));
}

/** A kept verdict; undefined when it is of another server, too old, or no verdict. */
export function decodeVerdict(body: Uint8Array, now: Sighting): Capabilities | undefined {
  let written: unknown;
  try {
    written = JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined; // whatever it is: the server is asked
  }
  const { data } = schema.safeParse(written);
  return data !== undefined && stillHolds(data, now) ? data.capabilities : undefined;
}

/** Tells whether what was seen then says something now: of the same server, within a week. */
export function stillHolds(then: Sighting, now: Sighting): boolean {
  return then.server === now.server && Math.abs(now.at - then.at) < VALID_MS;
}

/** Tells whether of two writers that name the same state exactly one can win. */
export function decidesWrites({ create, replace }: Capabilities): boolean {
  return create === "obeyed" && replace === "obeyed";
}

/** An ETag as a condition must name it. */
export function namedIn(etag: string, etags: Capabilities["etags"]): string {
  return etags === "unquoted" ? etag.replaceAll('"', "") : etag;
}
