import { randomUUID } from "node:crypto";
import { bodyOf, type Exchange, json, refuse, type RegistryAuth } from "./registry-exchange.ts";

/** Whether a request carries what the registry wants. */
export function isLetIn({ request, registry }: Exchange, auth: RegistryAuth): boolean {
  const given = request.headers.authorization ?? "";
  if (auth.kind === "basic") return given === basicOf(auth);
  return registry.tokens.has(given.replace(/^Bearer /, ""));
}

function basicOf({ username, password }: RegistryAuth): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Says how to log in. */
export function challenge({ registry, response }: Exchange, auth: RegistryAuth): void {
  const realm = auth.realm ?? `http://${registry.host}/token`;
  const offer =
    auth.kind === "basic" ? `Basic realm="sandbox"` : `Bearer realm="${realm}",service="sandbox"`;
  refuse(response, 401, { code: "UNAUTHORIZED", headers: { "www-authenticate": offer } });
}

/** Gives a token for a password or an identity token. */
export async function token(exchange: Exchange, auth: RegistryAuth): Promise<void> {
  const { request, response, registry, message } = exchange;
  const form = new URLSearchParams((await bodyOf(exchange)).toString());
  const isKnown =
    message.method === "POST"
      ? auth.identityToken !== undefined && form.get("refresh_token") === auth.identityToken
      : request.headers.authorization === basicOf(auth);
  if (!isKnown) return refuse(response, 401, { code: "UNAUTHORIZED" });
  const text = `token-${randomUUID()}`;
  registry.tokens.add(text);
  json(response, 200, { token: text, expires_in: auth.expiresIn ?? 300 });
}
