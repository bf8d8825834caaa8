import { plain } from "./errors.ts";

/** What a failed request tells, whichever way it was sent. */
export interface Failure {
  /** HTTP status; absent when there was no answer. */
  readonly status: number | undefined;
  /** Error code of S3, or name of the failure. */
  readonly code: string;
  readonly message: string;
}

/** Reads status and code from what the SDK throws. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { status: undefined, code: "", message: String(error) };
  const { $metadata, $response, code, Code } = error as Error & {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly statusCode?: number };
    readonly code?: string;
    readonly Code?: string;
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  const word = code ?? Code ?? error.name;
  return { status, code: plain(word), message: plain(error.message) };
}
