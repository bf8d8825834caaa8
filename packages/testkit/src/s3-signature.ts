import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The key pair that the sandbox accepts. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The parts of a request that a signature covers. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query as they stood in the request line. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** The S3 error code of a request that is not to be trusted. */
export type SignatureProblem =
  | "AccessDenied"
  | "InvalidAccessKeyId"
  | "RequestTimeTooSkewed"
  | "SignatureDoesNotMatch"
  | "XAmzContentSHA256Mismatch";

/** How far, in milliseconds, the clock of a client may be off. */
const LARGEST_SKEW_MS = 15 * 60_000;

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$/;

/**
 * Tells what is wrong with the signature of a request; undefined when it is right.
 *
 * @see AWS Signature Version 4, "Create a signed AWS API request": S3 does not encode the path twice.
 */
export function signatureProblem(
  request: SignedRequest,
  credentials: S3Credentials,
  nowMs: number,
): SignatureProblem | undefined {
  const parts = AUTHORIZATION.exec(text(request, "authorization"));
  if (parts === null) return "AccessDenied";
  const [, keyId = "", scope = "", names = "", signature = ""] = parts;
  if (keyId !== credentials.accessKeyId) return "InvalidAccessKeyId";

  const date = text(request, "x-amz-date");
  if (!(Math.abs(nowMs - readDate(date)) <= LARGEST_SKEW_MS)) return "RequestTimeTooSkewed";

  const claimed = text(request, "x-amz-content-sha256");
  const toSign = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical(request, names))].join("\n");
  const wanted = hmac(signingKey(credentials.secretAccessKey, scope), toSign);
  if (!timingSafeEqual(wanted, Buffer.from(signature, "hex"))) return "SignatureDoesNotMatch";

  const isUnsigned = claimed === "UNSIGNED-PAYLOAD";
  return isUnsigned || claimed === sha256(request.body) ? undefined : "XAmzContentSHA256Mismatch";
}

function canonical(request: SignedRequest, names: string): string {
  const [path = "", query = ""] = request.url.split("?", 2);
  const headers = names.split(";").map((name) => `${name}:${text(request, name)}\n`);
  const pairs = query.split("&").filter((pair) => pair !== "");
  const sorted = pairs.map((pair) => (pair.includes("=") ? pair : `${pair}=`)).toSorted(byBytes);
  const hash = text(request, "x-amz-content-sha256");
  return [request.method, path, sorted.join("&"), headers.join(""), names, hash].join("\n");
}

function byBytes(left: string, right: string): number {
  return left < right ? -1 : 1;
}

function signingKey(secret: string, scope: string): Buffer {
  let key: Buffer = Buffer.from(`AWS4${secret}`);
  for (const part of scope.split("/")) key = hmac(key, part);
  return key;
}

function readDate(basic: string): number {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(basic);
  if (found === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = found;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function text(request: SignedRequest, name: string): string {
  const value = request.headers[name];
  const joined = typeof value === "string" ? value : (value ?? []).join(",");
  return joined.trim().replaceAll(/ +/g, " ");
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
