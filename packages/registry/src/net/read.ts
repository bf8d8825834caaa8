import { answerTooLarge } from "../errors.ts";
import { type Complaint, plain } from "./complaint.ts";
import type { Answer } from "./transport.ts";

/** Most bytes of an answer that says what went wrong. */
const ERROR_BYTES = 64 * 1024;

/**
 * Reads the body of an answer.
 *
 * @throws {LockstepError} `REGISTRY_ANSWER_LARGE` as soon as it has more bytes than `most`
 */
export async function readBody({ body, url, header }: Answer, most: number): Promise<Buffer> {
  const said = Number(header("content-length")[0] ?? 0);
  if (said > most) {
    body.destroy();
    throw answerTooLarge(url, most);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > most) throw answerTooLarge(url, most); // leaving the loop ends the connection
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads and drops what is left, so that the connection can be used again. */
export async function drop(answer: Answer): Promise<void> {
  await readBody(answer, ERROR_BYTES).catch(() => answer.body.destroy());
}

/**
 * What a registry says went wrong; nothing when it says it in another way.
 *
 * @see OCI distribution specification, "Error Codes"
 */
export async function complaintsOf(answer: Answer): Promise<readonly Complaint[]> {
  try {
    const body = JSON.parse((await readBody(answer, ERROR_BYTES)).toString()) as unknown;
    const errors = (body as { errors?: unknown } | null)?.errors;
    return Array.isArray(errors) ? errors.slice(0, 20).map(complaintOf) : [];
  } catch {
    return [];
  }
}

function complaintOf(error: unknown): Complaint {
  const { code, message, detail } = (error ?? {}) as Record<string, unknown>;
  return {
    code: typeof code === "string" ? plain(code).slice(0, 100) : "",
    message: typeof message === "string" ? plain(message).slice(0, 500) : "",
    detail: detail === undefined ? "" : plain(JSON.stringify(detail) ?? "").slice(0, 1000),
  };
}
