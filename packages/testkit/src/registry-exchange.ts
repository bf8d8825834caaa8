import type { IncomingMessage, ServerResponse } from "node:http";
import type { RegistryStore } from "./registry-store.ts";

/** How a sandbox registry differs from one that does everything right. */
export interface RegistryQuirks {
  /** What may be deleted: `tags` and digests (default), `digests` alone as CNCF distribution 2.8, or `nothing`. */
  readonly deletes?: "tags" | "digests" | "nothing";
  /** Moves all tags of one PUT at once and says so in `OCI-Tag`. */
  readonly multiTag?: boolean;
  /** Whether it has a referrers API. */
  readonly referrers?: boolean;
  /** A tag that exists cannot be moved. */
  readonly immutableTags?: boolean;
  /** What a mount is answered with; default: it works. */
  readonly mount?: "ignored" | 401 | 403 | 405 | 500;
  /** Accepts manifests whose blobs it does not hold. */
  readonly credulous?: boolean;
  /** Keeps what arrived of an upload that was cut, and goes on with it. */
  readonly resumes?: boolean;
  /** Gives the location of an upload as a path. */
  readonly relativeLocations?: boolean;
}

/** Logins of a sandbox registry. */
export interface RegistryAuth {
  readonly kind: "basic" | "bearer";
  readonly username: string;
  readonly password: string;
  /** Accepted in place of a password by a POST, as identity tokens are. */
  readonly identityToken?: string;
  /** Where tokens are to be fetched; default: `/token` of this server. */
  readonly realm?: string;
  /** Seconds that a token says it lives; default 300. */
  readonly expiresIn?: number;
}

/** One request that a registry got. */
export interface RegistryRequest {
  readonly method: string;
  /** Path without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** Counts from 1. */
  readonly number: number;
}

/** Misbehaviour for one request: it is called before the registry answers; true: it has answered itself. */
export type RegistryFault = (
  request: RegistryRequest,
  io: { readonly message: IncomingMessage; readonly response: ServerResponse },
) => boolean | undefined | Promise<boolean | undefined>;

/** A container registry in this process. */
export interface SandboxRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly port: number;
  readonly store: RegistryStore;
  /** Every request, in the order they came. */
  readonly requests: RegistryRequest[];
  /** Asked about every request; undefined: it behaves. */
  fault: RegistryFault | undefined;
  quirks: RegistryQuirks;
  /** Tokens that are let in, to be revoked by clearing it. */
  readonly tokens: Set<string>;
}

interface Surroundings {
  readonly registry: SandboxRegistry;
  readonly auth: RegistryAuth | undefined;
  readonly uploads: Map<string, Buffer>;
}

/** One request to a sandbox registry, and all that its answer depends on. */
export interface Exchange extends Surroundings {
  readonly request: RegistryRequest;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
}

/** The body of a request, asked for only when it is wanted. */
export async function bodyOf({ message, response }: Exchange): Promise<Buffer> {
  if (message.headers.expect !== undefined) response.writeContinue();
  const chunks: Uint8Array[] = [];
  for await (const chunk of message as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

interface Answered {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** Ends an exchange. */
export function answer(
  response: ServerResponse,
  status: number,
  { headers = {}, body }: Answered = {},
): void {
  response.writeHead(status, { ...headers, "content-length": body?.length ?? 0 });
  response.end(body);
}

/** Ends an exchange with a JSON document. */
export function json(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  const body = Buffer.from(JSON.stringify(value));
  answer(response, status, { headers: { ...headers, "content-type": "application/json" }, body });
}

interface Complaint {
  readonly code: string;
  readonly message?: string;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends an exchange with an error as registries write them. */
export function refuse(
  response: ServerResponse,
  status: number,
  { headers = {}, ...error }: Complaint,
): void {
  json(response, status, { errors: [error] }, headers);
}
