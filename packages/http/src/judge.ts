import type { CheckResult, Json } from "@lockstep/plugin";
import type { Answer } from "./request.ts";

/** Longest text of an answer that is shown, in characters. */
const SHOWN = 200;

/** What an answer must be, with the release filled in. */
export type Expected = {
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  readonly json?: Json | undefined;
};

/** Compares an answer with what a check wants; tells the first difference. */
export function judge(expected: Expected, answer: Answer): CheckResult {
  const difference =
    statusDifference(expected, answer) ??
    headerDifference(expected, answer) ??
    bodyDifference(expected, answer) ??
    jsonDifference(expected, answer);
  if (difference === undefined) return { status: "pass" };
  return { status: "fail", wanted: shown(difference.wanted), found: shown(difference.found) };
}

/** Everything a check wants, one line. */
export function wantedOf({ status, headers = {}, body, json }: Expected): string {
  const parts = [
    `status ${status ?? "2xx"}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [`body with ${JSON.stringify(body)}`]),
    ...(json === undefined ? [] : [`JSON with ${JSON.stringify(json)}`]),
  ];
  return shown(parts.join(", "));
}

interface Difference {
  readonly wanted: string;
  readonly found: string;
}

function statusDifference({ status }: Expected, answer: Answer): Difference | undefined {
  const isRight = status === undefined ? isSuccess(answer.status) : answer.status === status;
  if (isRight) return undefined;
  const location = answer.headers.get("location");
  const to = location === null ? "" : ` to ${location.replace(/[?#].*$/s, "")}`;
  return { wanted: `status ${status ?? "2xx"}`, found: `status ${answer.status}${to}` };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function headerDifference({ headers = {} }: Expected, answer: Answer): Difference | undefined {
  for (const [name, wanted] of Object.entries(headers)) {
    const found = answer.headers.get(name);
    if (found?.includes(wanted) === true) continue;
    return {
      wanted: `${name}: ${wanted}`,
      found: found === null ? `no ${name}` : `${name}: ${found}`,
    };
  }
  return undefined;
}

function bodyDifference({ body }: Expected, answer: Answer): Difference | undefined {
  if (body === undefined || answer.body.includes(body)) return undefined;
  const where = answer.isCut ? "the first 64 KiB of a longer body" : "the body";
  return { wanted: `body with ${JSON.stringify(body)}`, found: `${where}: ${answer.body}` };
}

function jsonDifference({ json }: Expected, answer: Answer): Difference | undefined {
  if (json === undefined) return undefined;
  if (answer.isCut) return { wanted: "JSON", found: "more than 64 KiB" };
  const parsed = parse(answer.body);
  if (parsed === undefined) return { wanted: "JSON", found: `the body: ${answer.body}` };
  return valueDifference("", json, parsed);
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Objects may have more than is wanted; everything else must be equal. */
function valueDifference(
  path: string,
  wanted: Json,
  found: Json | undefined,
): Difference | undefined {
  if (isObject(wanted) && isObject(found)) {
    for (const [key, value] of Object.entries(wanted)) {
      const own = Object.hasOwn(found, key) ? found[key] : undefined;
      const difference = valueDifference(`${path}.${key}`, value ?? null, own);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (Array.isArray(wanted) && Array.isArray(found) && wanted.length === found.length) {
    return wanted
      .map((item: Json, index) => valueDifference(`${path}[${index}]`, item, found[index] as Json))
      .find((difference) => difference !== undefined);
  }
  if (wanted === found) return undefined;
  const label = path === "" ? "JSON" : path.slice(path.startsWith(".") ? 1 : 0);
  return { wanted: `${label} ${print(wanted)}`, found: `${label} ${print(found)}` };
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function print(value: Json | undefined): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}

/** One short line without what a terminal would obey or what would turn its direction around. */
function shown(text: string): string {
  const line = text
    .slice(0, 4 * SHOWN)
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim();
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
}
