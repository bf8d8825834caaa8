import { failure, type S3Access, type S3Answer, type S3Call } from "./s3-call.ts";
import { document, leaf } from "./s3-xml.ts";

const NONE: Readonly<Record<string, string>> = {
  publicAccessBlock: "NoSuchPublicAccessBlockConfiguration",
  policy: "NoSuchBucketPolicy",
  policyStatus: "NoSuchBucketPolicy",
  ownershipControls: "OwnershipControlsNotFoundError",
};

const BLOCKS = [
  "BlockPublicAcls",
  "IgnorePublicAcls",
  "BlockPublicPolicy",
  "RestrictPublicBuckets",
];

/**
 * Answers requests about who may use a bucket; undefined for all others.
 *
 * @see Amazon S3 API Reference, "GetPublicAccessBlock", "GetBucketPolicyStatus", "GetBucketAcl"
 */
export function onAccess(call: S3Call): S3Answer | undefined {
  const name = [...Object.keys(NONE), "acl"].find((one) => call.query.has(one));
  if (name === undefined || call.method !== "GET") return undefined;
  if (call.access.hidden?.includes(name) === true) return failure(call, 403, "AccessDenied");
  const body = bodyOf(name, call.access);
  return body === undefined ? failure(call, 404, NONE[name] ?? "") : { status: 200, body };
}

function bodyOf(name: string, { blocks, policy, grants, ownership }: S3Access): string | undefined {
  if (name === "policy") return policy === undefined ? undefined : JSON.stringify(policy.document);
  if (name === "acl") return aclXml(grants ?? {});
  if (name === "policyStatus") {
    return policy && document("PolicyStatus", leaf("IsPublic", String(policy.isPublic)));
  }
  if (name === "ownershipControls") {
    const rule = `<Rule>${leaf("ObjectOwnership", ownership ?? "")}</Rule>`;
    return ownership && document("OwnershipControls", rule);
  }
  const all = BLOCKS.map((block) => leaf(block, String(blocks?.includes(block) === true)));
  return blocks && document("PublicAccessBlockConfiguration", all.join(""));
}

function aclXml(grants: Readonly<Record<string, string>>): string {
  const owner = leaf("ID", "owner");
  const all = [
    grant("CanonicalUser", owner, "FULL_CONTROL"),
    ...Object.entries(grants).map(([group, permission]) =>
      grant("Group", leaf("URI", `http://acs.amazonaws.com/groups/global/${group}`), permission),
    ),
  ];
  const list = `<AccessControlList>${all.join("")}</AccessControlList>`;
  return document("AccessControlPolicy", `<Owner>${owner}</Owner>${list}`);
}

function grant(type: string, who: string, permission: string): string {
  const names = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
  const grantee = `<Grantee ${names} xsi:type="${type}">${who}</Grantee>`;
  return `<Grant>${grantee}${leaf("Permission", permission)}</Grant>`;
}
