import { describe, expect, it } from "vitest";
import { judge } from "../src/judge.ts";

/** What the SDK throws for an answer. */
function answered(status: number, code: string, message = code): Error {
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: status } });
}

describe("what a failure is", () => {
  it.each<[string, unknown, object]>([
    ["SlowDown", answered(503, "SlowDown"), { kind: "throttled" }],
    ["503 without a code", answered(503, "UnknownError"), { kind: "throttled" }],
    ["429", answered(429, "Odd"), { kind: "throttled" }],
    ["throttling under 400", answered(400, "ThrottlingException"), { kind: "throttled" }],
    ["a copy that is too fast, under 200", answered(200, "SlowDown"), { kind: "throttled" }],
    ["a wrong clock", answered(403, "RequestTimeTooSkewed"), { kind: "clock" }],
    ["another region", answered(301, "PermanentRedirect"), { kind: "region" }],
    [
      "another region in the signature",
      answered(400, "AuthorizationHeaderMalformed"),
      { kind: "region" },
    ],
    ["an expired token", answered(400, "ExpiredToken"), { kind: "expired" }],
    ["two writers of one key", answered(409, "ConditionalRequestConflict"), { kind: "transient" }],
    ["an internal error", answered(500, "InternalError"), { kind: "transient" }],
    ["an internal error under 200", answered(200, "InternalError"), { kind: "transient" }],
    ["bytes that were hurt", answered(400, "XAmzContentSHA256Mismatch"), { kind: "transient" }],
    ["a body that is cut off", answered(400, "IncompleteBody"), { kind: "transient" }],
    ["a request that took too long", answered(400, "RequestTimeout"), { kind: "transient" }],
    ["a bad gateway", answered(502, "UnknownError"), { kind: "transient" }],
    [
      "no answer",
      Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }),
      { kind: "transient", reason: "ECONNRESET" },
    ],
    [
      "a host without an address",
      Object.assign(new Error("x"), { code: "ENOTFOUND", hostname: "s3.invalid" }),
      { kind: "transient", reason: "ENOTFOUND s3.invalid" },
    ],
    [
      "no bucket",
      answered(404, "NoSuchBucket"),
      { kind: "final", error: { code: "S3_BUCKET_MISSING" } },
    ],
    [
      "an unknown key",
      answered(403, "InvalidAccessKeyId"),
      { kind: "final", error: { code: "S3_CREDENTIALS" } },
    ],
    [
      "a wrong secret",
      answered(403, "SignatureDoesNotMatch"),
      { kind: "final", error: { code: "S3_CREDENTIALS" } },
    ],
    ["no right", answered(403, "AccessDenied"), { kind: "final", error: { code: "S3_DENIED" } }],
    [
      "no name at all",
      answered(401, "Unauthorized"),
      { kind: "final", error: { code: "S3_DENIED" } },
    ],
    [
      "what nobody expects",
      answered(418, "Teapot"),
      { kind: "final", error: { code: "S3_ANSWER" } },
    ],
    [
      "no credentials",
      Object.assign(new Error("none"), { name: "CredentialsProviderError" }),
      { kind: "final", error: { code: "S3_CREDENTIALS" } },
    ],
  ])("is known: %s", (_name, error, wanted) => {
    expect(judge("PUT s3://shop/a", "shop", error)).toMatchObject(wanted);
  });

  it("is told without control characters", () => {
    const trouble = judge("PUT s3://shop/a", "shop", answered(418, "Tea\u001b[2Jpot", "a\u202eb"));

    expect(trouble.kind).toBe("final");
    expect(String("error" in trouble ? trouble.error : "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});
