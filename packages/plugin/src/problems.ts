import type { StandardSchemaV1 } from "@standard-schema/spec";

/** One thing that is wrong with options, found before anything ran. */
export interface Problem {
  /** Keys and indexes from the options down to the value: `["hosts", 0, "port"]`. */
  readonly path: readonly (string | number)[];
  /** What was found and what is allowed, one sentence, without the path. */
  readonly message: string;
  /** Set when the problem is a key that does not exist; the runner names the nearest of `known`. */
  readonly unknownKey?: string;
  readonly known?: readonly string[];
}

/** Either the checked options, or everything that is wrong with them. */
export type Checked<Options> =
  | { readonly value: Options; readonly problems?: undefined }
  | { readonly problems: readonly Problem[] };

/**
 * Checks options with any Standard Schema library and gathers every problem.
 *
 * @throws {TypeError} when the schema is asynchronous: a config is checked without waiting.
 * @see https://standardschema.dev, version 1, with its JSON Schema extension for the known keys
 */
export function checkOptions<Options>(
  schema: StandardSchemaV1<unknown, Options>,
  written: unknown,
): Checked<Options> {
  const result = schema["~standard"].validate(written);
  if (result instanceof Promise) throw new TypeError("The schema of options is asynchronous.");
  if (result.issues === undefined) return { value: result.value };

  const shape = jsonSchemaOf(schema);
  return { problems: result.issues.flatMap((issue) => problemsOf(issue, shape)) };
}

/** What vendors add to an issue; zod's names, read only where they are present. */
type Issue = StandardSchemaV1.Issue & {
  readonly keys?: readonly string[];
  /** Of a union: one list of issues a branch. */
  readonly errors?: readonly (readonly Issue[])[];
  /** Of the key of a record. */
  readonly issues?: readonly Issue[];
};

type JsonSchema = { readonly [key: string]: unknown };

function problemsOf(issue: Issue, shape: JsonSchema): Problem[] {
  const path = (issue.path ?? []).map(segmentOf);
  const inside = issue.issues ?? nearestBranch(issue.errors ?? []);
  if (inside.length > 0) {
    return inside.flatMap((inner) =>
      problemsOf({ ...inner, path: [...path, ...(inner.path ?? [])] }, shape),
    );
  }
  if (issue.keys === undefined) return [{ path, message: `${issue.message}.` }];

  const known = knownKeys(shape, path);
  return issue.keys.map((key) => ({
    path: [...path, key],
    message: "This key does not exist.",
    unknownKey: key,
    known,
  }));
}

/** Of the branches of a union the one that got furthest: its complaints are the ones that help. */
function nearestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (issues: readonly Issue[]): number =>
    Math.min(...issues.map((issue) => (issue.keys ? 1 : (issue.path ?? []).length)));
  const [first = [], ...rest] = branches;
  return rest.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best), first);
}

function segmentOf(segment: PropertyKey | StandardSchemaV1.PathSegment): string | number {
  const key = typeof segment === "object" ? segment.key : segment;
  return typeof key === "number" ? key : String(key);
}

function jsonSchemaOf(schema: StandardSchemaV1): JsonSchema {
  const props: object = schema["~standard"];
  if (!("jsonSchema" in props)) return {};
  const { input } = props.jsonSchema as { input(options: object): JsonSchema };
  // Functions and secrets have no JSON Schema; "any" lets the rest be converted (zod's option).
  return input({ target: "draft-2020-12", libraryOptions: { unrepresentable: "any" } });
}

function knownKeys(shape: JsonSchema, path: readonly (string | number)[]): string[] {
  const places = path.reduce(
    (nodes: JsonSchema[], key) => nodes.flatMap((node) => childrenOf(node, key)),
    branchesOf(shape),
  );
  return places.flatMap((node) =>
    Object.keys((node["properties"] as JsonSchema | undefined) ?? {}),
  );
}

function childrenOf(node: JsonSchema, key: string | number): JsonSchema[] {
  const properties = node["properties"] as { [key: string]: JsonSchema } | undefined;
  const child =
    properties?.[key] ?? (node["items"] as JsonSchema | undefined) ?? node["additionalProperties"];
  return typeof child === "object" && child !== null ? branchesOf(child as JsonSchema) : [];
}

function branchesOf(node: JsonSchema): JsonSchema[] {
  const inner = (node["anyOf"] ?? node["oneOf"]) as JsonSchema[] | undefined;
  return inner === undefined ? [node] : inner.flatMap(branchesOf);
}
