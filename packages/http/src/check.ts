import { type Check, type ReadContext, secret, type SecretSource } from "@lockstep/plugin";
import { type Expected, judge, wantedOf } from "./judge.ts";
import { type Request, send } from "./request.ts";
import { printUrl } from "./url.ts";

/** A check as a plan holds it. */
export type CheckInput = Expected & {
  readonly url: string;
  readonly send: Readonly<Record<string, string | SecretSource>>;
  readonly redirects: number;
  readonly timeoutMs: number;
};

/** Asks once, as a new visitor would, and judges the answer. */
export const httpCheck: Check<CheckInput, AsyncDisposable> = {
  kind: "http.check/1",

  describe(input) {
    return `get ${printUrl(input.url)}: ${wantedOf(input)}`;
  },

  async check(input, ctx) {
    const reply = await send(await requestOf(input, ctx), ctx.signal);
    if ("status" in reply) return judge(input, reply);
    const status = reply.isOurs ? "inconclusive" : "fail";
    return { status, wanted: wantedOf(input), found: reply.why };
  },
};

async function requestOf(
  { url, redirects, timeoutMs, send: sources }: CheckInput,
  ctx: Pick<ReadContext<unknown>, "secret">,
): Promise<Request> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(sources)) {
    headers[name] = typeof value === "string" ? value : await ctx.secret(secretOf(value));
  }
  return { url, redirects, timeoutMs, headers };
}

function secretOf(source: SecretSource): ReturnType<typeof secret> {
  if ("env" in source) return secret(source.env);
  return "file" in source ? secret.file(source.file) : secret.command(source.command);
}
