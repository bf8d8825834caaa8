import type { Finding } from "@lockstep/plugin";
import type { BucketAccess } from "./bucket.ts";
import { plain } from "./errors.ts";
import { allowedToAll, isBeyond } from "./policy-text.ts";

/** Where a site is, and whether visitors come by a router that asks with credentials of its own. */
export interface AccessPlace {
  /** For messages: `s3://shop-web`. */
  readonly name: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly isRouted: boolean;
}

/** Says what the settings of a bucket let everybody do, and what keeps visitors out. */
export function* accessFindings(access: BucketAccess, place: AccessPlace): Generator<Finding> {
  const grants = [...grantFindings(access, place)];
  yield* grants;
  yield* policyFindings(access, place, grants.length === 0);
  if (access.lacks.length === 0) return;
  const text = `Who may use ${place.name} was not read in full, which no run needs: the account lacks ${access.lacks.join(", ")}`;
  yield { level: "ok", text };
}

const GROUPS: Readonly<Record<string, string>> = {
  AllUsers: "everybody",
  AuthenticatedUsers: "everybody with an account of any kind",
};

const MAY: Readonly<Record<string, string>> = {
  READ: "list it",
  WRITE: "write to it",
  READ_ACP: "read its ACL",
  WRITE_ACP: "change its ACL",
  FULL_CONTROL: "do everything with it",
};

/** ACLs count neither where the owner of the bucket owns all, nor where those of everybody are ignored. */
function* grantFindings(
  { grants, ownership, blocks }: BucketAccess,
  { name }: AccessPlace,
): Generator<Finding> {
  if (ownership === "BucketOwnerEnforced" || blocks?.includes("IgnorePublicAcls") === true) return;
  for (const [group, permission] of grants ?? []) {
    const who = GROUPS[group];
    if (who === undefined) continue;
    yield {
      level: permission.startsWith("READ") ? "warn" : "fail",
      text: `The ACL of ${name} lets ${who} ${MAY[permission] ?? plain(permission)}`,
      fix: "Take the grant away: a bucket policy is enough for visitors.",
    };
  }
}

function* policyFindings(
  access: BucketAccess,
  place: AccessPlace,
  isAclClosed: boolean,
): Generator<Finding> {
  const { name } = place;
  const blocks = access.blocks ?? [];
  if (access.isPolicyPublic === undefined) return;
  if (!access.isPolicyPublic) {
    if (isAclClosed && access.grants !== undefined) yield closedFinding(blocks, place);
    return;
  }
  if (blocks.includes("RestrictPublicBuckets")) {
    yield {
      level: "warn",
      text: `The policy of ${name} is for everybody, and RestrictPublicBuckets keeps everybody out`,
      fix: "Switch that block off where visitors ask the bucket itself; a CDN with a right of its own needs no such policy.",
    };
    return;
  }
  const read = allowedToAll(access.policy, "s3:GetObject");
  if (place.isRouted) {
    const text = `Everybody may read ${name} past the router, what is not live yet included`;
    yield { level: "warn", text, fix: "Let the policy name the distribution alone." };
  } else yield { level: "ok", text: `The policy of ${name} lets everybody read${listed(read)}` };
  const beyond = read.filter((resource) => isBeyond(resource, place));
  if (beyond.length > 0) {
    const text = `Everybody may read more of ${name} than the site${listed(beyond)}`;
    const fix = `Let the policy name arn:aws:s3:::${place.bucket}/${place.prefix}* alone.`;
    yield { level: "warn", text, fix };
  }
  for (const action of ["s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy"]) {
    const open = allowedToAll(access.policy, action);
    if (open.length === 0) continue;
    const text = `The policy of ${name} gives everybody ${action}${listed(open)}`;
    yield { level: "fail", text, fix: `Take ${action} out of the policy for everybody.` };
  }
}

function closedFinding(blocks: readonly string[], { name, isRouted }: AccessPlace): Finding {
  const blocked = blocks.length === 0 ? "" : `, and public access is blocked${listed(blocks)}`;
  const next = isRouted ? "" : "; visitors need a CDN that may";
  return {
    level: "ok",
    text: `Neither policy nor ACL of ${name} let everybody read it${blocked}${next}`,
  };
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "" : `: ${names.map(plain).join(", ")}`;
}
