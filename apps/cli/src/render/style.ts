import { styleText } from "node:util";

/** Colors, or none: decided once. */
export type Style = (
  color: "bold" | "dim" | "red" | "green" | "yellow" | "cyan",
  text: string,
) => string;

/** Colors where a person looks: on a terminal, unless NO_COLOR or TERM=dumb; FORCE_COLOR overrides both. */
export function createStyle({
  env,
  isLive,
}: {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isLive: boolean;
}): Style {
  const forced = env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0";
  const wanted = isLive && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  if (!forced && !wanted) return (_, text) => text;
  return (color, text) => styleText(color, text, { validateStream: false });
}
