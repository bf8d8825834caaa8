import type { AwsClient } from "./aws-client.ts";
import type { BucketSettings } from "./bucket-options.ts";
import { abortable, ownedBy } from "./sdk-calls.ts";

/** Settings of a bucket that say who may use it, each read by one request; what it rejects with is of the SDK. */
export interface AccessCalls {
  /** Names of the blocks of public access that are on. */
  blocks(signal?: AbortSignal): Promise<readonly string[]>;
  /** Whether the server calls the policy public; undefined where it does not say. */
  policyStatus(signal?: AbortSignal): Promise<boolean | undefined>;
  /** The policy as JSON. */
  policy(signal?: AbortSignal): Promise<string>;
  /** What groups are granted: the end of a group's name, and the permission. */
  grants(signal?: AbortSignal): Promise<readonly (readonly [group: string, permission: string])[]>;
  /** Who owns objects; undefined where the server does not say. */
  ownership(signal?: AbortSignal): Promise<string | undefined>;
}

/** Reads settings of a bucket through the SDK. */
export function accessCalls({ sdk, client }: AwsClient, settings: BucketSettings): AccessCalls {
  const owned = ownedBy(settings);
  return {
    async blocks(signal) {
      const command = new sdk.GetPublicAccessBlockCommand(owned);
      const answer = await client.send(command, abortable(signal));
      const all = Object.entries(answer.PublicAccessBlockConfiguration ?? {});
      return all.filter(([, isOn]) => isOn === true).map(([name]) => name);
    },
    async policyStatus(signal) {
      const command = new sdk.GetBucketPolicyStatusCommand(owned);
      return (await client.send(command, abortable(signal))).PolicyStatus?.IsPublic;
    },
    async policy(signal) {
      const command = new sdk.GetBucketPolicyCommand(owned);
      return (await client.send(command, abortable(signal))).Policy ?? "";
    },
    async grants(signal) {
      const answer = await client.send(new sdk.GetBucketAclCommand(owned), abortable(signal));
      return (answer.Grants ?? []).flatMap(({ Grantee, Permission = "" }) => {
        const group = /[^/]+$/.exec(Grantee?.URI ?? "")?.[0];
        return group === undefined ? [] : [[group, Permission] as const];
      });
    },
    async ownership(signal) {
      const command = new sdk.GetBucketOwnershipControlsCommand(owned);
      const { OwnershipControls } = await client.send(command, abortable(signal));
      return OwnershipControls?.Rules?.[0]?.ObjectOwnership;
    },
  };
}
