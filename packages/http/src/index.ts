export { http } from "./http.ts";
export type { WrittenCheck, WrittenHttpOptions, WrittenUntil, WrittenWatch } from "./options.ts";
