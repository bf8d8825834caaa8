/** One statement of a policy, as far as it is looked at. */
interface Statement {
  readonly Effect?: unknown;
  readonly Principal?: unknown;
  readonly Action?: unknown;
  readonly Resource?: unknown;
  readonly NotResource?: unknown;
  readonly Condition?: unknown;
}

/**
 * Resources for which a policy allows something to everybody without a condition, `all but …` where it names
 * what it leaves out. What another statement denies is not taken off.
 *
 * @param policy - As JSON; what cannot be read allows nothing.
 * @see AWS Identity and Access Management User Guide, "IAM JSON policy elements reference"
 */
export function allowedToAll(policy: string | undefined, action: string): readonly string[] {
  return statementsOf(policy).flatMap((statement) => {
    const { Effect, Principal, Action, Resource, NotResource, Condition } = statement;
    if (Effect !== "Allow" || Condition !== undefined || !isEverybody(Principal)) return [];
    if (!wordsOf(Action).some((pattern) => isLike(pattern, action))) return [];
    return [...wordsOf(Resource), ...wordsOf(NotResource).map((word) => `all but ${word}`)];
  });
}

/** Tells whether a resource has objects besides those of the site. */
export function isBeyond(
  resource: string,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
): boolean {
  return (
    prefix !== "" && !resource.replace(/^arn:[^:]*:s3:::/, "").startsWith(`${bucket}/${prefix}`)
  );
}

function statementsOf(policy: string | undefined): readonly Statement[] {
  try {
    const { Statement: all } = JSON.parse(policy ?? "") as { readonly Statement?: unknown };
    return (Array.isArray(all) ? all : [all]).filter(
      (one): one is Statement => typeof one === "object" && one !== null,
    );
  } catch {
    return [];
  }
}

function isEverybody(principal: unknown): boolean {
  if (principal === "*") return true;
  if (typeof principal !== "object" || principal === null || !("AWS" in principal)) return false;
  return wordsOf(principal.AWS).includes("*");
}

function wordsOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((word) => typeof word === "string");
}

/** Actions are compared without regard to case; `*` stands for anything, `?` for one character. */
function isLike(pattern: string, action: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "i").test(action);
}
