import type { HostSettings } from "./reach.ts";

/** A folder on a host, as people read it: `ssh://web-1:22/srv/shop`. Where ssh_config leads is not looked up. */
export function placeOf({ address, port }: HostSettings, path: string): string {
  const name = address.includes(":") ? `[${address}]` : address;
  return `ssh://${name}:${port ?? 22}${encodeURI(path)}`;
}
