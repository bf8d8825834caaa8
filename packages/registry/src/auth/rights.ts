import { parseObject } from "../image/model.ts";

/**
 * What a token says it allows in a repository; undefined when it does not say. It is read for people to
 * learn early, never believed: the registry decides.
 *
 * @see distribution, "Token Authentication Implementation", claim `access`
 */
export function rightsOf(
  authorization: string | undefined,
  path: string,
): readonly string[] | undefined {
  const claims = /^Bearer [\w-]+\.([\w-]+)\.[\w-]*$/.exec(authorization ?? "")?.[1];
  const access = parseObject(Buffer.from(claims ?? "", "base64url"))?.["access"];
  if (!Array.isArray(access)) return undefined;
  return access.flatMap((entry: unknown) => {
    const { name, actions } = (entry ?? {}) as {
      readonly name?: unknown;
      readonly actions?: unknown;
    };
    return name === path && Array.isArray(actions) ? actions.map(String) : [];
  });
}
