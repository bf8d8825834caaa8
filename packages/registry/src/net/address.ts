import { BlockList, isIP } from "node:net";

/**
 * How far away an address is, from near to far. `refused` is never connected to when a registry named it:
 * link-local addresses (among them the metadata services of clouds), unspecified and multicast ones.
 */
export type Reach = "refused" | "loopback" | "private" | "public";

const REFUSED = listOf([
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["192.0.0.0", 24],
  ["100.100.100.200", 32],
  ["224.0.0.0", 3],
  ["::", 128],
  ["fe80::", 10],
  ["ff00::", 8],
  ["fd00:ec2::254", 128],
]);
const LOOPBACK = listOf([
  ["127.0.0.0", 8],
  ["::1", 128],
]);
const PRIVATE = listOf([
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["fc00::", 7],
]);

/**
 * Tells how far away an IP address is; IPv4 addresses in IPv6 clothes count as what they are.
 *
 * @see RFC 6890, "Special-Purpose IP Address Registries"
 */
export function reachOf(address: string): Reach {
  const plain = unmapped(address);
  const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
  if (isIP(plain) === 0 || REFUSED.check(plain, family)) return "refused";
  if (LOOPBACK.check(plain, family)) return "loopback";
  return PRIVATE.check(plain, family) ? "private" : "public";
}

/** `::ffff:a.b.c.d`, `::a.b.c.d` and `64:ff9b::a.b.c.d` lead to the IPv4 address in them. */
function unmapped(address: string): string {
  const bare = address.replace(/^\[|\]$|%.*$/g, "");
  if (isIP(bare) !== 6) return bare;
  // the URL parser writes every form of one address in one way
  const text = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const found = /^(?:::ffff:|64:ff9b::|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (found === null) return text;
  const [high, low] = [Number.parseInt(found[1] ?? "", 16), Number.parseInt(found[2] ?? "", 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function listOf(ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of ranges) {
    list.addSubnet(address, bits, address.includes(":") ? "ipv6" : "ipv4");
  }
  return list;
}
