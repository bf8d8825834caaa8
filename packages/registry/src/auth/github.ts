import type { TargetContext } from "@lockstep/plugin";
import { credentialsMissing } from "../errors.ts";
import { type Found, mask } from "./credentials.ts";

/** Where a job of GitHub Actions, or a person who uses its command line, has the token. */
const VARIABLES = ["GITHUB_TOKEN", "GH_TOKEN"];

/**
 * Takes the token of GitHub's own tools as the password for its registry, which takes any name with it.
 *
 * @throws {LockstepError} `REGISTRY_CREDENTIALS`
 */
export function githubCredentials(ctx: TargetContext): Found {
  for (const name of VARIABLES) {
    const password = ctx.env[name];
    if (password === undefined || password === "") continue;
    const username = ctx.env["GITHUB_ACTOR"] || "token";
    mask(ctx, username, password);
    return { origin: name, credentials: { kind: "password", username, password } };
  }
  throw credentialsMissing(VARIABLES.join(" or "));
}
