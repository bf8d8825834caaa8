import { isLockstepError } from "@lockstep/plugin";
import type { AccessCalls } from "./access-calls.ts";
import type { BucketAccess } from "./bucket.ts";

/** Rights to read who may use a bucket. No run needs them. */
export const accessRights: Readonly<Record<keyof AccessCalls, string>> = {
  blocks: "s3:GetBucketPublicAccessBlock",
  policyStatus: "s3:GetBucketPolicyStatus",
  policy: "s3:GetBucketPolicy",
  grants: "s3:GetBucketAcl",
  ownership: "s3:GetBucketOwnershipControls",
};

/** Sends one request with patience; `missing` where there is no such setting. */
export type AccessSend = <T>(
  setting: keyof AccessCalls,
  call: (signal: AbortSignal) => Promise<T>,
) => Promise<T | "missing" | "refused">;

/** Reads what may be read; what the server does not know or the account may not see stays open. */
export async function readAccess(
  calls: AccessCalls,
  send: AccessSend,
  signal: AbortSignal | undefined,
): Promise<BucketAccess> {
  const lacks: string[] = [];
  const read = async <T>(
    setting: keyof AccessCalls,
    none: T,
    call: (signal: AbortSignal) => Promise<T | undefined>,
  ): Promise<T | undefined> => {
    try {
      const answer = await send(setting, call);
      return answer === "missing" ? none : answer === "refused" ? undefined : answer;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isLockstepError(error)) throw error;
      if (error.code === "S3_DENIED") lacks.push(accessRights[setting]);
      return undefined;
    }
  };
  const blocks = await read<readonly string[]>("blocks", [], calls.blocks);
  const isPolicyPublic = await read("policyStatus", false, calls.policyStatus);
  const policy = await read("policy", "", calls.policy);
  const grants = await read<NonNullable<BucketAccess["grants"]>>("grants", [], calls.grants);
  const ownership = await read("ownership", "", calls.ownership);
  return { blocks, isPolicyPublic, policy, grants, ownership, lacks };
}
