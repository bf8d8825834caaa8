import type { HostSettings } from "./login.ts";

/** A folder on a host, as people read it: `ssh://web-1:22/srv/shop`. */
export function placeOf({ address, port }: HostSettings, path: string): string {
  const name = address.includes(":") ? `[${address}]` : address;
  return `ssh://${name}:${port}${encodeURI(path)}`;
}
